import { describe, expect, test } from "bun:test";
import type { Dialect } from "../../../core/dialects/dialect.ts";
import { dialects } from "../../../core/dialects/index.ts";
import { type Call, openCall } from "../../../core/pipeline/call.ts";
import { type ContentLogOptions, createContentLog } from "../../../core/pipeline/content/log.ts";
import { keepsContent } from "../../../core/pipeline/content/keeps.ts";
import type { ContentRepository, ContentSetting } from "../../../core/storage/content.ts";
import { until } from "../../support/poll.ts";
import { benches } from "../bench.ts";

const newBench = benches();
const key = Buffer.alloc(32, 7);
const hourMs = 3_600_000;

const usual = { patterns: [], maxBytes: 4_096, maxTotalBytes: 1_000_000, ttlMs: 24 * hourMs };

type Changed = Partial<ContentLogOptions["settings"] & Pick<ContentLogOptions, "repository" | "maxHeld">>;

async function world({ repository, maxHeld, ...settings }: Changed = {}) {
  const bench = await newBench();
  const { database, services, clock, logged } = bench;
  await database.accounts.change("default", { content: "on" });
  const log = createContentLog({
    repository: repository ?? database.content,
    key,
    settings: { ...usual, ...settings },
    logger: services.logger,
    now: clock.now,
    ...(maxHeld !== undefined && { maxHeld }),
  });
  const dialect: Dialect | undefined = dialects.get("openai-chat");
  if (!dialect) throw new Error("no openai-chat");
  const aCall = (): Call => ({
    ...openCall(null, { dialect, operation: "chat" }, services),
    principal: { name: "p", keyId: null, accountId: "default", models: "all", limits: {} },
    accounts: ["default"],
  });
  /** One whole call, written or not when it resolves. */
  const kept = async (text = '{"a":1}', answer = '{"b":2}'): Promise<string> => {
    const call = aCall();
    const content = log.begin(call, text);
    content?.whole(answer);
    content?.finish();
    const { stored, failed, skipped } = log.counts;
    if (content)
      await until(
        "the end",
        () => log.counts.stored + log.counts.failed + log.counts.skipped > stored + failed + skipped,
      );
    return call.id;
  };
  return { ...bench, log, aCall, kept, logged };
}

describe("content", () => {
  test("is there for its time to the millisecond, and then neither read nor stored", async () => {
    const { log, kept, clock, database } = await world();
    const first = await kept();
    clock.advance(hourMs);
    const second = await kept();
    clock.advance(23 * hourMs - 1);
    await log.sweep();
    expect((await log.read(first))?.expiresMs).toBe(clock.now() + 1);
    clock.advance(1);
    expect(await log.read(first)).toBeNull();
    expect((await database.content.size()).calls).toBe(2);
    await log.sweep();
    expect((await database.content.size()).calls).toBe(1);
    expect(await log.read(second)).not.toBeNull();
    clock.advance(hourMs);
    await log.sweep();
    expect((await database.content.size()).calls).toBe(0);
  });

  test("thousands that are too old go in small transactions", async () => {
    const { log, clock, database } = await world();
    await Promise.all(
      Array.from({ length: 500 }, (_, at) =>
        database.content.write(
          { callId: `call-${at}`, keyId: null, accountId: "default", createdMs: clock.now(), sealed: Buffer.alloc(10) },
          1_000_000,
        ),
      ),
    );
    clock.advance(24 * hourMs);
    await log.sweep();
    expect((await database.content.size()).calls).toBe(0);
  });

  test("a storage that fails is counted, logged without what was said, and fails nothing", async () => {
    const { database } = await newBench();
    const repository: ContentRepository = {
      ...database.content,
      setting: () => "on",
      isOnForSome: () => true,
      write: () => Promise.reject(new Error("disk is full")),
    };
    const { log, kept, logged } = await world({ repository });
    await kept('{"prompt":"canary-of-a-prompt"}', '{"answer":"canary-of-an-answer"}');
    expect(log.counts).toEqual({ stored: 0, failed: 1, skipped: 0 });
    expect(logged.join("")).toContain("was not kept");
    expect(logged.join("")).not.toContain("canary");
  });

  test("a redactor that fails keeps nothing", async () => {
    const replace = () => {
      throw new Error("canary-of-a-pattern");
    };
    const { log, aCall, logged } = await world({ patterns: [{ name: "bad", replace }] });
    const content = log.begin(aCall(), '{"prompt":"canary"}');
    content?.finish();
    await log.close();
    expect(log.counts).toMatchObject({ stored: 0, failed: 1 });
    expect(logged.join("")).not.toContain("canary");
  });

  test("what would take too much memory is skipped, also in the middle of a stream, and the place is free again", async () => {
    const { log, aCall, kept } = await world({ maxHeld: 10_000 });
    expect(log.begin(aCall(), `"${"x".repeat(10_000)}"`)).toBeNull();
    const content = log.begin(aCall(), "{}");
    content?.delivered(new Uint8Array(9_999));
    content?.delivered(new Uint8Array(9_999));
    content?.finish();
    await log.close();
    expect(log.counts).toEqual({ stored: 0, failed: 0, skipped: 2 });
    const call = await kept();
    expect(await log.read(call)).not.toBeNull();
  });

  test("what is turned off, or removed, while the call runs is not stored at its end", async () => {
    const { log, aCall, kept, database } = await world();
    const [removed, ofOwner, off] = [aCall(), aCall(), aCall()];
    const [first, second] = [log.begin(removed, "{}"), log.begin(ofOwner, "{}")];
    await log.remove({ callId: removed.id });
    first?.finish();
    await log.remove({ owner: { kind: "account", id: "default" } });
    second?.finish();
    const third = log.begin(off, "{}");
    await database.accounts.change("default", { content: "off" });
    third?.finish();
    await log.close();
    for (const call of [removed, ofOwner, off]) expect(await log.read(call.id)).toBeNull();
    expect(log.counts).toEqual({ stored: 0, failed: 0, skipped: 0 });
    await database.accounts.change("default", { content: "on" });
    expect(await log.read(await kept())).not.toBeNull();
  });

  test("a second end does nothing", async () => {
    const { log, aCall } = await world();
    const content = log.begin(aCall(), "{}");
    content?.finish();
    content?.finish();
    await log.close();
    expect(log.counts).toEqual({ stored: 1, failed: 0, skipped: 0 });
  });

  test("what was sealed with another secret, or for another call, is not opened", async () => {
    const { log, kept, database, logged } = await world();
    const id = await kept();
    const stored = await database.content.read(id);
    if (!stored) throw new Error("nothing is stored");
    expect(Buffer.from(stored.sealed).toString("latin1")).not.toContain('"a"');
    await database.content.write({ ...stored, callId: "another" }, 1_000_000);
    expect(await log.read("another")).toBeNull();
    expect(logged.join("")).toContain("cannot be opened");
  });

  test("no work is done before the answer has gone out", async () => {
    let replaced = 0;
    const replace = (text: string) => ((replaced += 1), text);
    const { log, aCall } = await world({ patterns: [{ name: "counted", replace }] });
    const content = log.begin(aCall(), '{"prompt":"said"}');
    content?.whole('{"answer":"told"}');
    content?.finish();
    await Promise.resolve();
    expect(replaced).toBe(0);
    await log.close();
    expect(replaced).toBeGreaterThan(0);
  });
});

describe("whose content is kept", () => {
  const said = (settings: Readonly<Record<string, ContentSetting>>) => ({
    setting: ({ kind, id }: { readonly kind: string; readonly id: string }) => settings[`${kind}/${id}`] ?? null,
  });
  const line = ["user", "team", "root"];

  test.each([
    [{}, false],
    [{ "account/root": "on" }, true],
    [{ "account/root": "on", "account/team": "off" }, false],
    [{ "account/root": "off", "account/user": "on" }, true],
    [{ "key/k": "on" }, true],
    [{ "key/k": "off", "account/user": "on" }, false],
    [{ "key/k": "on", "account/root": "off" }, true],
    [{ "key/k": "on", "account/user": "on", "account/root": "forbid" }, false],
    [{ "key/other": "on", "account/elsewhere": "on" }, false],
  ] as const)("%j: %p", (settings, expected) => {
    expect(keepsContent(said(settings), "k", line)).toBe(expected);
  });

  test("a caller without a key goes by the accounts", () => {
    expect(keepsContent(said({ "account/team": "on" }), null, line)).toBe(true);
  });
});
