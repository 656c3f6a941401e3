import { afterAll } from "bun:test";
import { Value } from "@sinclair/typebox/value";
import { GatewayError, type Biller, type Principal, type Provider, type Usage } from "llm-proxy/plugin";
import { BreakerSchema } from "../../core/config/attempts-schema.ts";
import { openaiChat } from "../../core/dialects/openai-chat/index.ts";
import { targetBreakers } from "../../core/pipeline/breaker.ts";
import { providerBulkheads } from "../../core/pipeline/bulkhead.ts";
import { InUse } from "../../core/pipeline/in-use.ts";
import { limitBook } from "../../core/pipeline/limit-book.ts";
import { modelTable } from "../../core/pipeline/models.ts";
import { pause } from "../../core/pipeline/pause.ts";
import { learnedRatios } from "../../core/pipeline/ratios.ts";
import { retryBudget } from "../../core/pipeline/retry-budget.ts";
import { watchOverload } from "../../core/pipeline/overload.ts";
import type { Services } from "../../core/pipeline/services.ts";
import { noShadows } from "../../core/pipeline/shadow.ts";
import type { Watched } from "../../core/pipeline/watch.ts";
import type { Database, Final } from "../../core/storage/database.ts";
import { fakeClock, type FakeClock } from "../contract/context.ts";
import { aPrincipal } from "../contract/samples.ts";
import { anId } from "../contract/storage-samples.ts";
import { openAt, rowsOf, temporaryFolder } from "../storage/folder.ts";

export const chat = { dialect: openaiChat, operation: "chat" } as const;

/** The stages' world: a real database, a clock that stands still, providers and plugins as a test wants them. */
export interface Bench {
  readonly services: Services;
  readonly database: Database;
  readonly clock: FakeClock;
  readonly logged: string[];
  /** Each call of `ledger.finish`, whether it had an effect or not. */
  readonly finishes: Final[];
  /** What the streams asked the watch to look after. */
  readonly watched: Set<Watched>;
  /** Rows of a query, read beside the running database. */
  readonly sql: <Row>(query: string) => Row[];
}

export interface BenchOptions extends Partial<
  Pick<Services, "auth" | "content" | "rateLimit" | "limits" | "transport" | "observers" | "pause" | "tokenizer">
> {
  readonly providers?: Readonly<Record<string, Provider>>;
  readonly biller?: Partial<Biller> | null;
  readonly settings?: Partial<Services["settings"]>;
  readonly principal?: Partial<Principal>;
}

export function benches(): (options?: BenchOptions) => Promise<Bench> {
  const folder = temporaryFolder();
  const opened: Database[] = [];
  afterAll(async () => {
    for (const database of opened) await database.close();
  });
  return async (options = {}) => {
    const clock = fakeClock();
    const path = folder.file();
    const database = await openAt(path, clock.now);
    opened.push(database);
    return { ...benchOver(database, clock, options), sql: (query) => rowsOf(path, query) };
  };
}

/** As without a config. */
export const usualBreaker = Value.Decode(BreakerSchema, Value.Default(BreakerSchema, {}));

function benchOver(database: Database, clock: FakeClock, options: BenchOptions): Omit<Bench, "sql"> {
  const logged: string[] = [];
  const log = (level: string) => (fields: object, message?: string) =>
    void logged.push(JSON.stringify({ level, ...fields, message }));
  const finishes: Final[] = [];
  const watched = new Set<Watched>();
  const biller = options.biller === null ? null : { ...priceOf(1, 2), ...options.biller };
  const providers = new Map(Object.entries(options.providers ?? {}));
  const finish = (final: Final) => (finishes.push(final), database.ledger.finish(final));
  const services: Services = {
    database: { ...database, ledger: { ...database.ledger, finish } },
    providers,
    models: modelTable({}, providers, biller),
    auth: options.auth ?? [
      { name: "anybody", slot: { authenticate: () => aPrincipal({ keyId: null, ...options.principal }) } },
    ],
    rateLimit: options.rateLimit ?? [],
    limits: options.limits ?? limitBook(),
    addressGroupOf: () => null,
    billing: biller && { name: "ledger", slot: biller },
    observers: options.observers ?? [],
    transport: options.transport ?? (() => Promise.reject(new Error("no network in tests"))),
    watch: {
      now: clock.now,
      add: (stream) => (watched.add(stream), () => void watched.delete(stream)),
      size: () => watched.size,
      held: () => 0,
      endHeld: () => {},
      stop: () => {},
    },
    overload: calmOverload(),
    vault: { keep: () => {}, find: () => null },
    idempotency: null,
    content: options.content ?? { begin: () => null, counts: { stored: 0, failed: 0, skipped: 0 } },
    ratios: learnedRatios(),
    tokenizer: options.tokenizer ?? { count: () => Promise.reject(new Error("no tokenizer in these tests")) },
    logger: { debug: log("debug"), info: log("info"), warn: log("warn"), error: log("error") },
    inUse: new InUse(),
    retries: retryBudget(() => 1, clock.now),
    breakers: targetBreakers(usualBreaker, clock.now),
    loads: null,
    shadows: noShadows(),
    bulkheads: providerBulkheads({ maxWaiting: 1_000, maxQueued: 0, queueMs: 1, providers: {} }, pause),
    settings: {
      attempts: {
        max: 4,
        totalMs: 120_000,
        backoffMs: 250,
        maxWaitMs: 5_000,
        retryShare: 1,
        afterReset: false,
        afterContentFilter: false,
      },
      maxBodyBytes: 1_000_000,
      timeouts: () => ({ connectMs: 1_000, firstByteMs: 60_000, idleMs: 60_000, totalMs: Infinity }),
      stallTimeoutMs: 60_000,
      disconnectDrainMs: 60_000,
      maxDrains: 10,
      ...options.settings,
    },
    keepOpen: () => {},
    closeIdle: () => {},
    now: clock.now,
    newId: anId,
    random: () => 0,
    pause: options.pause ?? ((ms) => (clock.advance(ms), Promise.resolve())),
    draining: { value: false },
    open: new Set(),
    drains: new Set(),
  };
  return { services, database, clock, logged, finishes, watched };
}

/** Nano-USD a token; every target costs the same, and every context is 100,000 tokens. */
export const priceOf = (inputNano: number, outputNano: number): Biller => ({
  policy: { unpriced: "refuse", interrupted: "input", uncappedOutputTokens: 16_384 },
  rate: (usage: Usage, target) => {
    if (target.model === "unpriced") throw new GatewayError("invalid-request", "no price", { code: "unpriced_model" });
    const costNano = usage.inputTokens * inputNano + usage.outputTokens * outputNano;
    return { costNano, chargeNano: costNano, priceVersion: "test", lines: [] };
  },
  facts: ({ model }) => ({ model, contextWindow: 100_000, maxOutputTokens: null }),
});

export const chatRequest = (
  body: object = {},
  headers: Readonly<Record<string, string>> = {},
  signal?: AbortSignal,
): Request =>
  new Request("http://gateway.test/v1/chat/completions", {
    method: "POST",
    headers: { authorization: "Bearer anything", "content-type": "application/json", ...headers },
    body: JSON.stringify({ model: "mock/one", messages: [{ role: "user", content: "hello" }], ...body }),
    ...(signal && { signal }),
  });

/** Memory without end and a loop that is never late. */
const calmOverload = () =>
  watchOverload({
    memory: { limitBytes: 1e12, usedBytes: () => 0 },
    heldStreams: () => 0,
    limits: { maxBufferedBytes: 1e9, maxLoopLagMs: 1e6, maxCalls: 1e6 },
    collectGarbage: () => {},
    onChange: () => {},
  });
