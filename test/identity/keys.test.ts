import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { GatewayError } from "llm-proxy/plugin";
import { makeKey } from "../../core/identity/key-format.ts";
import { keysOf } from "../../core/identity/keys.ts";
import type { Database } from "../../core/storage/database.ts";
import type { KeyRepository, NewKey } from "../../core/storage/key.ts";
import { fakeClock } from "../contract/context.ts";
import { aKey, startMs } from "../contract/storage-samples.ts";
import { openAt, temporaryFolder } from "../storage/folder.ts";

const folder = temporaryFolder();
const pepper = Buffer.alloc(32, 7);
const request = new Request("http://gateway.test/");
let database: Database;
beforeAll(async () => {
  database = await openAt(folder.file());
});
afterAll(() => database.close());

/** A look-up over the real repository that counts how often it is asked. */
function lookup(address: string | null = "203.0.113.5") {
  const clock = fakeClock(startMs);
  const asked = { count: 0 };
  const findByDigest: KeyRepository["findByDigest"] = (digest) => (
    (asked.count += 1),
    database.keys.findByDigest(digest)
  );
  const keys = keysOf({
    repository: { ...database.keys, findByDigest },
    pepper,
    now: clock.now,
    addressOf: () => address,
  });
  const make = async (changed: Partial<NewKey> = {}) => {
    const { key } = makeKey();
    return { key, row: await database.keys.create(aKey({ ...changed, digest: keys.digest(key) }), null) };
  };
  return { keys, clock, asked, make, outcome: (key: string) => outcome(() => keys.find(key, request)) };
}

describe("finding a key", () => {
  test("says who it is, and asks the database once", async () => {
    const { make, outcome: find, asked } = lookup();
    const { key, row } = await make({ name: "app", models: ["fast"], limits: { concurrency: 3 } });
    const principal = {
      name: "app",
      keyId: row.id,
      accountId: "default",
      models: ["fast"],
      limits: { concurrency: 3 },
    };
    for (let call = 0; call < 5; call++) expect(await find(key)).toEqual(principal);
    expect(asked.count).toBe(1);
  });

  test("what is no key of ours is somebody else's; a damaged one is ours, and neither costs a query", async () => {
    const { make, outcome: find, asked } = lookup();
    const { key } = await make();
    expect(await find("sk-proj-abc")).toBeNull();
    expect(await find(key.slice(0, -1))).toBeInstanceOf(GatewayError);
    expect(await find(`${key}x`)).toBeInstanceOf(GatewayError);
    expect(asked.count).toBe(0);
  });

  test("unknown, damaged, revoked, expired, from elsewhere: nothing tells them apart", async () => {
    const { make, outcome: find, keys, clock } = lookup();
    const revoked = await make();
    await database.keys.revoke(revoked.row.id, startMs);
    const expired = await make({ expiresMs: startMs + 10 });
    clock.advance(10);
    const elsewhere = await make({ cidrs: ["10.0.0.0/8"] });
    const unknown = makeKey();
    const refusals = await Promise.all(
      [revoked.key, expired.key, elsewhere.key, unknown.key, unknown.key.slice(0, -1)].map(find),
    );
    for (const refusal of refusals) {
      expect(refusal).toBeInstanceOf(GatewayError);
      expect(refusal).toMatchObject({ kind: "unauthenticated", message: "invalid API key", details: {} });
    }
    expect(keys.digest(unknown.key)).not.toContain(unknown.key.slice(8, 20));
  });

  test("a key expires while it is remembered", async () => {
    const { make, outcome: find, clock } = lookup();
    const { key } = await make({ expiresMs: startMs + 1_000 });
    clock.advance(999);
    expect(await find(key)).toMatchObject({ accountId: "default" });
    clock.advance(1);
    expect(await find(key)).toBeInstanceOf(GatewayError);
  });

  test("a revoked key is refused by the next call once it is forgotten", async () => {
    const { make, outcome: find, keys } = lookup();
    const { key, row } = await make();
    expect(await find(key)).not.toBeInstanceOf(GatewayError);
    await database.keys.revoke(row.id, startMs);
    keys.forget(row.id);
    expect(await find(key)).toBeInstanceOf(GatewayError);
    keys.forget("nobody");
  });

  test("a key revoked while it is being looked up is not remembered as good", async () => {
    const { make } = lookup();
    const { key, row } = await make();
    const gate = Promise.withResolvers<void>();
    const findByDigest: KeyRepository["findByDigest"] = async (digest) => {
      const read = await database.keys.findByDigest(digest);
      await gate.promise;
      return read;
    };
    const slow = keysOf({
      repository: { ...database.keys, findByDigest },
      pepper,
      now: () => startMs,
      addressOf: () => null,
    });
    const first = outcome(() => slow.find(key, request));
    await database.keys.revoke(row.id, startMs);
    slow.forget(row.id);
    gate.resolve();
    await first;
    expect(await outcome(() => slow.find(key, request))).toBeInstanceOf(GatewayError);
  });

  test("another secret finds nothing: the database alone is of no use", async () => {
    const { make } = lookup();
    const { key } = await make();
    const other = keysOf({
      repository: database.keys,
      pepper: Buffer.alloc(32, 8),
      now: () => startMs,
      addressOf: () => null,
    });
    expect(await outcome(() => other.find(key, request))).toBeInstanceOf(GatewayError);
  });

  test("a disabled key is refused until it is enabled again", async () => {
    const { keys, make, outcome: find } = lookup();
    const { key, row } = await make();
    const set = async (disabledMs: number | null) => {
      await database.keys.change(row.id, { disabledMs });
      keys.forget(row.id);
    };
    expect(await find(key)).not.toBeInstanceOf(GatewayError);
    await set(startMs);
    expect(await find(key)).toBeInstanceOf(GatewayError);
    await set(null);
    expect(await find(key)).not.toBeInstanceOf(GatewayError);
  });

  test("an older secret is the same key until its time, however both were remembered", async () => {
    const { keys, clock, make, outcome: find } = lookup();
    const { key, row } = await make();
    const next = makeKey().key;
    await find(key);
    const secret = { digest: keys.digest(next), prefix: "p", last4: "next", imported: false };
    await database.keys.rotate(row.id, secret, startMs, startMs + 60_000);
    keys.forget(row.id);
    for (const each of [key, next, key]) expect(await find(each)).toMatchObject({ keyId: row.id });
    clock.advance(60_000);
    expect(await find(key)).toBeInstanceOf(GatewayError);
    expect(await find(next)).toMatchObject({ keyId: row.id });
    await database.keys.revoke(row.id, startMs);
    keys.forget(row.id);
    expect(await find(next)).toBeInstanceOf(GatewayError);
  });

  test("a key that was made elsewhere is known by its hash, and the hash is no key", async () => {
    const { keys, outcome: find } = lookup();
    const foreign = "sk-litellm-0123456789";
    const sha256 = new Bun.CryptoHasher("sha256").update(foreign).digest("hex");
    expect(await find(foreign)).toBeNull();
    const row = await database.keys.create(aKey({ imported: true, digest: keys.digestOfHash(sha256) }), null);
    expect(await find(foreign)).toMatchObject({ keyId: row.id });
    expect(await find("sk-litellm-other")).toBeNull();
    expect(await find(sha256)).toBeNull();
    expect(await find(`sha256:${sha256}`)).toBeNull();
  });

  test("so is one of our own form that another LLM Proxy made, and a look-up more tells unknown ones", async () => {
    const { keys, outcome: find, make, asked } = lookup();
    const foreign = makeKey().key;
    expect(await find(foreign)).toBeInstanceOf(GatewayError);
    const sha256 = new Bun.CryptoHasher("sha256").update(foreign).digest("hex");
    const row = await database.keys.create(aKey({ imported: true, digest: keys.digestOfHash(sha256) }), null);
    expect(await find(foreign)).toMatchObject({ keyId: row.id });
    asked.count = 0;
    expect(await find(foreign)).toMatchObject({ keyId: row.id });
    expect(asked.count).toBe(0);
    expect(await find(makeKey().key)).toBeInstanceOf(GatewayError);
    expect(asked.count).toBe(2);
    const own = await make();
    asked.count = 0;
    expect(await find(own.key)).toMatchObject({ keyId: own.row.id });
    expect(asked.count).toBe(1);
    await database.keys.change(row.id, { disabledMs: startMs });
    keys.forget(row.id);
    expect(await find(foreign)).toBeInstanceOf(GatewayError);
  });

  test("no more than 100,000 are remembered", async () => {
    const asked: string[] = [];
    const findByDigest = (digest: string) => {
      asked.push(digest);
      const { digest: _, ...row } = aKey({ id: digest });
      return { row: { ...row, disabledMs: null, revokedMs: null, lastUsedMs: null }, untilMs: null };
    };
    const keys = keysOf({
      repository: { ...database.keys, findByDigest },
      pepper,
      now: () => startMs,
      addressOf: () => null,
    });
    const first = makeKey().key;
    await keys.find(first, request);
    for (let made = 1; made < 100_000; made++) await keys.find(makeKey().key, request);
    await keys.find(first, request);
    expect(asked).toHaveLength(100_000);
    await keys.find(makeKey().key, request);
    await keys.find(first, request);
    expect(asked).toHaveLength(100_002);
  });
});

describe("the networks of a key", () => {
  const within: readonly (readonly [readonly string[], string | null, boolean])[] = [
    [[], null, true],
    [["10.0.0.0/8"], "10.255.255.255", true],
    [["10.0.0.0/8"], "11.0.0.0", false],
    [["10.0.0.0/8"], null, false],
    [["10.0.0.0/8", "192.0.2.7/32"], "192.0.2.7", true],
    [["192.0.2.7/32"], "192.0.2.8", false],
    [["0.0.0.0/0"], "203.0.113.5", true],
    [["10.0.0.0/8"], "::ffff:10.1.2.3", true],
    [["10.0.0.0/8"], "::FFFF:11.1.2.3", false],
    [["2001:db8::/32"], "2001:db8:1::5", true],
    [["2001:db8::/32"], "2001:db9::5", false],
    [["2001:db8::/32"], "10.0.0.1", false],
    [["10.0.0.0/8"], "2001:db8::1", false],
    [["::1/128"], "::1", true],
    [["10.0.0.0/8"], "not an address", false],
  ];
  test.each(within)("%p from %p: %p", async (cidrs, address, allowed) => {
    const { make, outcome: find } = lookup(address);
    const { key } = await make({ cidrs });
    expect(!((await find(key)) instanceof GatewayError)).toBe(allowed);
  });
});

async function outcome<T>(work: () => T | Promise<T>): Promise<T | GatewayError> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof GatewayError) return error;
    throw error;
  }
}
