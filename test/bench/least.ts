import { Database } from "bun:sqlite";
import { Buffer } from "node:buffer";
import { openSync, writeSync } from "node:fs";
import { Elysia } from "elysia";
import { Abort } from "../../core/runtime/abort.ts";
import { type BodySource, bodyStream, type Outlet } from "../../core/runtime/body-stream.ts";
import { sha256 } from "../../core/runtime/digest.ts";
import { createEgress } from "../../core/runtime/egress.ts";
import { transportOf } from "../../core/runtime/transport.ts";
import { answers, arrivals, atTurnEnd } from "../../core/runtime/turn.ts";
import type { Pieces, Waiter } from "../../core/runtime/upstream-response.ts";
import { uuidv7 } from "../../core/runtime/uuid.ts";

/**
 * The least that does what the target of a JSON call names: a key by its digest, a hold on a budget and a final record, each
 * durable before the call goes on, usage, cost and a line of log. No accounts, limits, routes, timeouts, retries, dialects,
 * plugins or reports: it tells how near to the bare relay anything can come that does them too. Streams are passed on and
 * looked through for their usage, and nothing else. `bun test/bench/least.ts UPSTREAM_PORT DATABASE fetch|sockets`.
 */
const [upstreamPort, path = ":memory:", kind] = process.argv.slice(2);
const url = `http://127.0.0.1:${upstreamPort}/v1/chat/completions`;
const headers = { "content-type": "application/json", authorization: "Bearer bench-upstream-key" };
const egress = createEgress({ allow: [], now: Date.now });
const send = transportOf(kind === "fetch" ? kind : "sockets", {
  egress,
  connectTimeoutMs: 5_000,
  now: Date.now,
  env: {},
});

const database = new Database(path, { create: true });
database.exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;
CREATE TABLE open_calls (slot INTEGER PRIMARY KEY, id TEXT, key INTEGER, model TEXT, created_ms INTEGER, held_nano INTEGER);
CREATE TABLE calls (seq INTEGER PRIMARY KEY, id TEXT UNIQUE, key INTEGER, model TEXT, created_ms INTEGER, finished_ms INTEGER,
  status TEXT, input_tokens INTEGER, output_tokens INTEGER, cost_nano INTEGER);
CREATE INDEX calls_created ON calls (created_ms);
CREATE TABLE ledger (seq INTEGER PRIMARY KEY, call_seq INTEGER, delta_nano INTEGER);
CREATE TABLE budgets (key INTEGER PRIMARY KEY, spent_nano INTEGER, held_nano INTEGER);`);
const insertOpen = database.prepare("INSERT INTO open_calls VALUES (?, ?, ?, ?, ?, ?)");
const deleteOpen = database.prepare("DELETE FROM open_calls WHERE slot = ?");
const insertCall = database.prepare("INSERT INTO calls VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
const insertCharge = database.prepare("INSERT INTO ledger (call_seq, delta_nano) VALUES (?, ?)");
const writeBudget = database.prepare("INSERT OR REPLACE INTO budgets VALUES (?, ?, ?)");
const begin = database.prepare("BEGIN IMMEDIATE");
const commit = database.prepare("COMMIT");

interface Budget {
  readonly key: number;
  spentNano: number;
  heldNano: number;
}
const budgets = new Map<string, Budget>();
const touched = new Set<Budget>();
const freeSlots: number[] = [];
let slots = 0;
let seq = 0;
const heldNano = 10_000_000;

let works: (() => void)[] = [];
let done: (() => void)[] = [];

/** In the one transaction of the turn; resolves when that is durable. */
const inTransaction = (work: () => void): Promise<void> =>
  new Promise((resolve) => {
    if (works.length === 0) atTurnEnd(flush);
    works.push(work);
    done.push(resolve);
  });

function flush(): void {
  const [toDo, toTell] = [works, done];
  works = [];
  done = [];
  begin.run();
  for (const work of toDo) work();
  for (const { key, spentNano, heldNano: held } of touched) writeBudget.run(key, spentNano, held);
  touched.clear();
  commit.run();
  for (const tell of toTell) tell();
}

const log = openSync("/dev/null", "w");
let lines = "";
function logLine(line: string): void {
  lines += line;
  if (lines.length < 16_384) return;
  writeSync(log, lines);
  lines = "";
}

function budgetOf(request: Request): Budget {
  const digest = sha256(request.headers.get("authorization") ?? "");
  let budget = budgets.get(digest);
  if (!budget) budgets.set(digest, (budget = { key: budgets.size, spentNano: 0, heldNano: 0 }));
  return budget;
}

interface Asked {
  readonly model: string;
  readonly stream?: boolean;
}
interface Answered {
  readonly usage: { readonly prompt_tokens: number; readonly completion_tokens: number };
}

async function handle(request: Request): Promise<Response> {
  const [id, startedMs, budget] = [uuidv7(Date.now()), Date.now(), budgetOf(request)];
  await arrivals();
  const body = await request.text();
  // The load and the upstream of this bench send nothing else.
  const { model, stream } = JSON.parse(body) as Asked;
  const slot = freeSlots.pop() ?? ++slots;
  await inTransaction(() => {
    budget.heldNano += heldNano;
    touched.add(budget);
    insertOpen.run(slot, id, budget.key, model, startedMs, heldNano);
  });
  const response = await send({ url, headers, body }, new Abort());
  await answers();

  async function finish({ usage }: Answered): Promise<number> {
    const costNano = usage.prompt_tokens * 1_000 + usage.completion_tokens * 2_000;
    const { prompt_tokens: input, completion_tokens: output } = usage;
    const finishedMs = Date.now();
    await inTransaction(() => {
      budget.heldNano -= heldNano;
      budget.spentNano += costNano;
      touched.add(budget);
      deleteOpen.run(slot);
      freeSlots.push(slot);
      seq += 1;
      insertCall.run(seq, id, budget.key, model, startedMs, finishedMs, "ok", input, output, costNano);
      insertCharge.run(seq, -costNano);
    });
    logLine(`${JSON.stringify({ time: finishedMs, id, key: budget.key, model, input, output, costNano })}\n`);
    return costNano;
  }

  if (stream) {
    const pieces = response.body();
    if (!pieces) throw new Error("a stream without a body");
    return new Response(bodyStream(new Passing(pieces, finish), true), { headers: streamHeaders });
  }
  const bytes = await response.bytes();
  const costNano = await finish(JSON.parse(decoder.decode(bytes)) as Answered);
  return new Response(bytes as Uint8Array<ArrayBuffer>, {
    headers: { "content-type": "application/json", "x-request-id": id, "x-llm-proxy-cost-usd": String(costNano) },
  });
}

const decoder = new TextDecoder();
const streamHeaders = { "content-type": "text/event-stream" };
const usageField = Buffer.from('"usage":{');
const dataField = "data: ";

/** Of each piece the one place is looked for that tells the usage. */
class Passing implements BodySource, Waiter {
  readonly #pieces: Pieces;
  readonly #finish: (answered: Answered) => Promise<number>;
  #outlet: Outlet | null = null;
  #answered: Answered = { usage: { prompt_tokens: 0, completion_tokens: 0 } };

  constructor(pieces: Pieces, finish: (answered: Answered) => Promise<number>) {
    this.#pieces = pieces;
    this.#finish = finish;
  }

  opened(outlet: Outlet): void {
    this.#outlet = outlet;
    this.#goOn();
  }
  async left(): Promise<void> {
    await this.#pieces.cancel();
    await this.#finish(this.#answered);
  }
  came(piece: Uint8Array | null): void {
    if (this.#passed(piece)) this.#goOn();
  }
  failed(error: unknown): void {
    this.#outlet?.fail(error instanceof Error ? error : new Error(String(error)));
    void this.#finish(this.#answered);
  }

  #goOn(): void {
    let piece = this.#pieces.next(this);
    while (piece !== undefined && this.#passed(piece)) piece = this.#pieces.next(this);
  }

  /** Whether the next one is to be asked for. */
  #passed(piece: Uint8Array | null): boolean {
    if (piece === null) {
      void this.#finish(this.#answered).then(() => this.#outlet?.end());
      return false;
    }
    const bytes = Buffer.from(piece.buffer, piece.byteOffset, piece.byteLength);
    const at = bytes.indexOf(usageField);
    if (at >= 0) {
      const event = bytes.toString(
        "utf8",
        bytes.lastIndexOf(dataField, at) + dataField.length,
        bytes.indexOf("\n", at),
      );
      this.#answered = JSON.parse(event) as Answered;
    }
    const taken = this.#outlet?.write(piece) ?? null;
    if (taken === null) return true;
    void taken.then(() => this.#goOn());
    return false;
  }
}

const app = new Elysia({ serve: { idleTimeout: 0 } })
  .post("/v1/chat/completions", ({ request }) => handle(request), { parse: "none" })
  .post("/v1/messages", ({ request }) => handle(request), { parse: "none" })
  .listen({ port: 0, hostname: "127.0.0.1" });
process.stdout.write(`${app.server?.port}\n`);
