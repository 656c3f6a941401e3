import { Buffer } from "node:buffer";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "bun:test";
import { type Call, openCall } from "../../core/pipeline/call.ts";
import { createIdempotency, type IdempotencySettings } from "../../core/pipeline/idempotency.ts";
import { dialects } from "../../core/dialects/index.ts";
import type { Database } from "../../core/storage/database.ts";
import { fakeClock } from "../contract/context.ts";
import { anAdmission, aFinal, anId } from "../contract/storage-samples.ts";
import { openAt, rowsOf, temporaryFolder } from "../storage/folder.ts";

const folder = temporaryFolder();
const quiet = () => {};
const logger = { debug: quiet, info: quiet, warn: quiet, error: quiet };
const chat = dialects.get("openai-chat");
if (!chat) throw new Error("the dialect is missing");
const endpoint = { dialect: chat, operation: "chat" } as const;

interface World {
  readonly database: Database;
  readonly path: string;
  readonly clock: ReturnType<typeof fakeClock>;
  /** The answer replayed, or `null` for a first call, which is left open. */
  begin(key: string, ask?: Partial<Asking>): Promise<{ readonly call: Call; readonly replayed: string | null }>;
  /** A first call from beginning to end. */
  answer(key: string, text: string, ask?: Partial<Asking>): Promise<string>;
}
interface Asking {
  readonly accountId: string;
  readonly keyId: string | null;
  readonly name: string;
  readonly text: string;
}

type Changed = Partial<IdempotencySettings> & { readonly sealKey?: Buffer };

async function world(
  { sealKey = Buffer.alloc(32, 1), ...settings }: Changed = {},
  path = folder.file(),
): Promise<World> {
  const clock = fakeClock();
  const database = await openAt(path, clock.now);
  const idempotency = createIdempotency({
    answers: database.answers,
    sealKey,
    nameKey: Buffer.alloc(32, 2),
    settings: {
      ttlMs: 86_400_000,
      waitMs: 50,
      maxAnswerBytes: 10_000,
      maxBytes: 100_000,
      maxKeys: 1_000,
      ...settings,
    },
    logger,
    now: clock.now,
    elapsed: clock.now,
  });
  const begin: World["begin"] = async (key, { text = "{}", ...who } = {}) => {
    const request = new Request("http://here/v1/chat/completions", { method: "POST" });
    const call = openCall(request, endpoint, { now: clock.now, watch: { now: clock.now }, newId: anId });
    const principal = { accountId: "a", keyId: "k", name: "n", models: "all", limits: {}, ...who } as const;
    const response = await idempotency.begin(key, call, principal, { text });
    return { call, replayed: response === null ? null : await response.text() };
  };
  return {
    database,
    path,
    clock,
    begin,
    async answer(key, text, ask) {
      const { call, replayed } = await begin(key, ask);
      if (replayed !== null) throw new Error("it was replayed");
      // Admitted and ended, as the gateway does it: the claim ends with the record.
      await database.ledger.admit(anAdmission({ callId: call.id }));
      call.keeping?.whole({ "content-type": "text/plain", "x-request-id": call.id }, text);
      const end = aFinal(call.id);
      await Promise.all([call.keeping?.end(end, true), database.ledger.finish(end)]);
      return call.id;
    },
  };
}
const refusal = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => null,
    (error: unknown) => error,
  );
const stateOf = ({ path }: World): { keys: number; bytes: number | null; real: number | null } | undefined =>
  rowsOf<{ keys: number; bytes: number; real: number }>(
    path,
    "select count(*) as keys, sum(bytes) as bytes, sum(coalesce(length(answer), 0)) as real from kept_answers",
  )[0];

describe("time", () => {
  test("an answer is replayed until its time is over, and then the call is made again", async () => {
    const here = await world();
    await here.answer("key", "first");
    here.clock.advance(86_399_999);
    expect((await here.begin("key")).replayed).toBe("first");
    here.clock.advance(1);
    await here.answer("key", "second");
    expect((await here.begin("key")).replayed).toBe("second");
  });

  test("what is over is swept, a few at a time; what is not, and a call in flight, stays", async () => {
    const here = await world();
    for (let at = 0; at < 250; at++) await here.answer(`old ${at}`, "x");
    const flying = await here.begin("flying");
    await here.database.ledger.admit(anAdmission({ callId: flying.call.id }));
    here.clock.advance(86_400_000);
    await here.answer("new", "x");
    expect(await here.database.answers.sweep(here.clock.now())).toBe(true);
    expect(stateOf(here)?.keys).toBe(52);
    expect(await here.database.answers.sweep(here.clock.now())).toBe(false);
    expect(stateOf(here)?.keys).toBe(2);
    expect((await here.begin("new")).replayed).toBe("x");
  });

  test("a waiting call waits no longer than it may, and ends when it is given up", async () => {
    const here = await world();
    await here.begin("key");
    expect(await refusal(here.begin("key"))).toMatchObject({ status: 409, details: { retryAfterSeconds: 2 } });
  });
});

describe("bounds", () => {
  test("beyond the number of keys the account with the most gives up its oldest", async () => {
    const here = await world({ maxKeys: 10 });
    await here.answer("of b", "b", { accountId: "b" });
    for (let at = 0; at < 30; at++) {
      await here.answer(`key ${at}`, "x");
      here.clock.advance(1);
      expect(stateOf(here)?.keys).toBeLessThanOrEqual(10);
    }
    expect((await here.begin("of b", { accountId: "b" })).replayed).toBe("b");
    expect((await here.begin("key 29")).replayed).toBe("x");
    expect((await here.begin("key 0")).replayed).toBeNull();
  });

  test("beyond the bytes of answers the oldest goes, but its key still stops a second charge", async () => {
    const here = await world({ maxBytes: 20_000 });
    await here.answer("small", "s", { accountId: "b" });
    for (let at = 0; at < 10; at++) {
      await here.answer(`key ${at}`, "x".repeat(5_000));
      here.clock.advance(1);
      const { bytes = 0, real = 0 } = stateOf(here) ?? {};
      expect([bytes, (bytes ?? 0) <= 20_000]).toEqual([real, true]);
    }
    expect((await here.begin("small", { accountId: "b" })).replayed).toBe("s");
    expect((await here.begin("key 9")).replayed).toBe("x".repeat(5_000));
    expect(await refusal(here.begin("key 0"))).toMatchObject({
      status: 409,
      details: { code: "idempotency_answer_gone", shouldRetry: false },
    });
  });

  test("one large answer takes the place of many small ones, in several goes", async () => {
    const here = await world({ maxBytes: 250_000, maxAnswerBytes: 200_000 });
    await Promise.all(Array.from({ length: 1_200 }, (_, at) => here.answer(`key ${at}`, "x")));
    const small = stateOf(here)?.bytes ?? 0;
    expect([small > 100_000, small < 250_000]).toEqual([true, true]);
    await here.answer("large", "x".repeat(199_000));
    // It does not hold up everybody until all have gone.
    expect(stateOf(here)?.bytes).toBeGreaterThan(250_000);
    await here.answer("one more", "x");
    await here.answer("and one", "x");
    const { bytes = 0, real = 0 } = stateOf(here) ?? {};
    expect([bytes, (bytes ?? 0) <= 250_000]).toEqual([real, true]);
    expect((await here.begin("large")).replayed).toHaveLength(199_000);
  });

  test("the bounds hold after a restart too", async () => {
    const before = await world();
    for (let at = 0; at < 20; at++) await before.answer(`key ${at}`, "x".repeat(1_000));
    await before.database.close();
    const after = await world({ maxKeys: 5, maxBytes: 2_500 }, before.path);
    await after.answer("one more", "x");
    const { keys = 0, bytes = 0 } = stateOf(after) ?? {};
    expect([keys <= 5, (bytes ?? 0) <= 2_500]).toEqual([true, true]);
  });
});

describe("whose an answer is", () => {
  test("nobody else's: not of another account, credential or person", async () => {
    const here = await world();
    await here.answer("key", "mine");
    for (const other of [
      { accountId: "b" },
      { keyId: "other" },
      { keyId: null, name: "n" },
      { keyId: null, name: "k" },
      { keyId: null, name: "other" },
      { keyId: null, auth: "one", name: "n" },
      { keyId: null, auth: "two", name: "n" },
    ])
      expect((await here.begin("key", other)).replayed).toBeNull();
    expect((await here.begin("key")).replayed).toBe("mine");
  });

  test("nothing of it can be read in the files, and it opens in no other place", async () => {
    const here = await world();
    await here.answer("key-canary", "answer-canary", { text: '{"words":"asked-canary"}' });
    await here.answer("other", "of the other");
    const files = readdirSync(folder.path).filter((name) => join(folder.path, name).startsWith(here.path));
    expect(files.length).toBeGreaterThan(0);
    for (const name of files) expect(readFileSync(join(folder.path, name)).includes("canary")).toBe(false);
    const elsewhere = await world({ sealKey: Buffer.alloc(32, 9) });
    await elsewhere.answer("key", "x");
    await elsewhere.database.close();
    const withOtherKey = await world({}, elsewhere.path);
    expect(await refusal(withOtherKey.begin("key"))).toMatchObject({ status: 409 });
  });
});

describe("a process that died", () => {
  test("long ago: the call may have been deleted since, so the key is not taken for free", async () => {
    const before = await world({ ttlMs: 2 * 86_400_000 });
    await before.begin("key");
    await before.database.close();
    const after = await world({ ttlMs: 2 * 86_400_000 }, before.path);
    after.clock.advance(86_400_000);
    expect(await refusal(after.begin("key"))).toMatchObject({ details: { code: "idempotency_answer_gone" } });
  });

  test("before the call was admitted: nothing was sent, and the key is free", async () => {
    const before = await world();
    await before.begin("key");
    await before.database.close();
    const after = await world({}, before.path);
    expect((await after.begin("key")).replayed).toBeNull();
  });

  test("while the call was upstream: the key says so", async () => {
    const before = await world();
    const { call } = await before.begin("key");
    await before.database.ledger.admit(anAdmission({ callId: call.id }));
    await before.database.close();
    const after = await world({}, before.path);
    // Not swept yet: it may be alive elsewhere.
    expect(await refusal(after.begin("key"))).toMatchObject({ details: { code: "idempotency_key_in_use" } });
    await after.database.ledger.sweep("input", after.clock.now());
    expect(await refusal(after.begin("key"))).toMatchObject({ details: { code: "idempotency_answer_gone" } });
    expect((await refusal(after.begin("key"))) as Error).toHaveProperty("message", expect.stringContaining(call.id));
  });
});

test("replays are counted", async () => {
  const here = await world();
  const callId = await here.answer("key", "x");
  for (let at = 0; at < 3; at++) await here.begin("key");
  // Whatever was asked for before this is written.
  await here.database.settings.set("a", "b");
  expect(await here.database.calls.get(callId)).toMatchObject({ status: "ok", replays: 3 });
  const other = await here.answer("other", "x");
  expect(await here.database.calls.get(other)).toMatchObject({ replays: 0 });
});
