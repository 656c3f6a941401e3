import { Database as Client } from "bun:sqlite";
import { afterAll, expect, test } from "bun:test";
import { join } from "node:path";
import { call, chat } from "../support/clients.ts";
import { runCommand } from "../support/command.ts";
import { invariants } from "../support/invariants.ts";
import { answers } from "../support/openai-answers.ts";
import { eachOf } from "../support/poll.ts";
import { setUp } from "../support/setup.ts";
import { api, form, joined } from "./people.ts";

/** The audit log of a real process: what it says of the start, of those who are refused, and of hands laid on it. */
const setup = await setUp({
  config: "keys:\n  ci: { key: a-declared-secret-of-32-characters-or-more }\n",
});
const { gateway } = setup;
afterAll(() => setup.stop());

interface Row {
  readonly seq: number;
  readonly actorKind: string;
  readonly actorName: string;
  readonly actorId: string | null;
  readonly address: string | null;
  readonly action: string;
  readonly route: string | null;
  readonly objectKind: string;
  readonly objectId: string | null;
  readonly before: Record<string, unknown> | null;
  readonly after: Record<string, unknown> | null;
  readonly times: number;
}
const entries = async (query = "", token = gateway.adminToken): Promise<readonly Row[]> =>
  (await api(gateway, "GET", `/api/audit?limit=200&${query}`, { token })).body.data;
const verify = async (query = "") => (await api(gateway, "GET", `/api/audit/verify${query}`)).body;

test("the first start and the keys of the config file are told with whose doing they are", async () => {
  const rows = await entries("actor=process");
  expect(rows.map(({ action, objectKind }) => `${action} ${objectKind}`)).toContain("key.create key");
  expect(rows.find(({ action }) => action === "key.create")).toMatchObject({ actorName: "first start", address: null });
  const [declared] = await entries("actor=config-file");
  expect(declared).toMatchObject({ action: "key.declare", before: null, after: { declaredAs: "ci" } });
  const all = JSON.stringify(await entries());
  for (const secret of [gateway.adminToken, setup.key.key, "a-declared-secret"]) expect(all).not.toContain(secret);
  expect(all).toContain(setup.key.key.slice(0, 20));
});

test("a brute force at the login, or with wrong tokens, is a few entries that say how often", async () => {
  const viewer = await joined(gateway, "viewer");
  const tries = Array.from({ length: 25 }, (_, at) => at);
  await eachOf(tries, 5, () => form(gateway, "/dashboard/login", { email: viewer.email, password: "wrong password" }));
  await eachOf(tries, 5, () => form(gateway, "/dashboard/login", { email: "not-an-address", password: "x" }));
  await eachOf(tries, 5, () => api(gateway, "GET", "/api/keys", { token: "wrong" }));
  await eachOf(tries, 5, () => api(gateway, "POST", "/api/keys", { token: viewer.token, body: { name: "x" } }));
  await eachOf(tries, 5, () => form(gateway, "/dashboard/keys", { name: "x" }, viewer.cookie));
  await gateway.restart();
  const times = async (action: string) => (await entries(`action=${action}`)).map((row) => row.times).toReversed();
  expect(await times("login.fail")).toEqual([1, 49]);
  expect((await times("request.deny")).toSorted((left, right) => left - right)).toEqual([1, 1, 24, 24]);
  const refused = await times("credential.refuse");
  expect([refused.length, refused.reduce((sum, one) => sum + one, 0)]).toEqual([2, 25]);
  const [failed] = (await entries("action=login.fail")).toReversed();
  expect(failed).toMatchObject({ actorKind: "nobody", address: "127.0.0.1", after: { email: viewer.email } });
  const denied = await entries(`action=request.deny&actor=${viewer.id}`);
  expect(denied.map(({ route }) => route)).toContain("POST /api/keys");
}, 60_000);

test("who signs in and out is told, and a new admin token is, which is shown nowhere", async () => {
  const { cookie, id } = await joined(gateway, "admin");
  await form(gateway, "/dashboard/logout", {}, cookie);
  const own = (await entries(`actor=${id}`)).map(({ action }) => action);
  expect(own.toReversed()).toEqual(["person.password", "session.open", "token.create", "session.end"]);
  const { stdout } = await runCommand(gateway, ["admin-token", "--new"]);
  const [change] = await entries("actor=command");
  expect(change).toMatchObject({ action: "setting.change", actorName: "admin-token --new", objectId: "admin-token" });
  expect(JSON.stringify(await entries())).not.toContain(stdout.trim());
});

test("commands that copy, mend or write anew the database are told, and those that find nothing to do are not", async () => {
  const told = async (action: string) => (await entries(`action=${action}`))[0];
  const file = join(gateway.directory, "copy.db");
  expect((await runCommand(gateway, ["backup", file])).code).toBe(0);
  expect(await told("database.backup")).toMatchObject({ actorKind: "command", actorName: "backup", after: { file } });
  await gateway.admin("POST", "/api/budgets", { scope: { kind: "key", id: setup.key.id }, usd: 1, window: "day" });
  setup.upstream.on("counted", answers());
  expect((await call(gateway, setup.key.key, chat("mock/counted"))).status).toBe(200);
  await gateway.stop();
  const client = new Client(join(gateway.dataDir, "llm-proxy.db"));
  const count = () => client.query<{ n: number }, []>("SELECT count(*) n FROM audit_entries").get()?.n ?? 0;
  const before = count();
  expect((await runCommand(gateway, ["doctor", "--repair"])).code).toBe(0);
  expect((await runCommand(gateway, ["migrate"])).code).toBe(0);
  expect(count()).toBe(before);
  client.exec("UPDATE budget_windows SET held_nano = held_nano + 5");
  client.close();
  expect((await runCommand(gateway, ["doctor", "--repair"])).code).toBe(0);
  expect((await runCommand(gateway, ["migrate", "--compact"])).code).toBe(0);
  await gateway.start();
  expect(await told("database.repair")).toMatchObject({
    actorName: "doctor --repair",
    objectKind: "database",
    after: { mended: ["held-sum"] },
  });
  expect(await told("database.compact")).toMatchObject({
    actorName: "migrate",
    after: { freedBytes: expect.any(Number) },
  });
  expect(await verify()).toMatchObject({ ok: true, broken: null });
  await invariants(setup);
}, 60_000);

test("is exported whole, and its hashes can be worked out from the export alone", async () => {
  const text = (await api(gateway, "GET", "/api/audit/export?format=jsonl")).text.trim();
  const rows = text
    .split("\n")
    .map((line) => JSON.parse(line))
    .toReversed();
  let before = "0".repeat(64);
  for (const { hash, createdUtc: _, ...row } of rows) {
    const hasher = new Bun.CryptoHasher("sha256").update(`${before}\n${JSON.stringify(Object.values(row))}`);
    expect(hasher.digest("hex")).toBe(hash);
    before = hash;
  }
  expect((await api(gateway, "GET", "/api/audit/head")).body).toEqual({ seq: rows.length, hash: before });
});

test("each acknowledged change has its entry, and the log is one chain, though the process is killed over and over", async () => {
  const acknowledged: string[] = [];
  for (let round = 0; round < 3; round++) {
    let running = true;
    const writers = Array.from({ length: 8 }, async () => {
      while (running) {
        try {
          const { status, body } = await api(gateway, "POST", "/api/accounts", { body: { name: "under load" } });
          if (status === 201) acknowledged.push(body.id);
        } catch {
          // It was killed over this one: whether it was made is not known.
          return;
        }
      }
    });
    const enough = acknowledged.length + 40;
    while (acknowledged.length < enough) await new Promise((resolve) => setImmediate(resolve));
    await gateway.kill();
    running = false;
    await Promise.all(writers);
    await gateway.start();
  }
  const told = gateway.sql<{ id: string }>("SELECT object_id AS id FROM audit_entries WHERE action = 'account.create'");
  const made = gateway.sql<{ id: string }>("SELECT id FROM accounts WHERE id <> 'default'");
  expect(told.map(({ id }) => id).toSorted()).toEqual(made.map(({ id }) => id).toSorted());
  expect(acknowledged.filter((id) => !told.some((one) => one.id === id))).toEqual([]);
  expect(acknowledged.length).toBeGreaterThan(100);
  expect(await verify()).toMatchObject({ ok: true, broken: null, next: null });
  await invariants(setup);
}, 90_000);

test("nobody changes or removes an entry by the way, and whoever does by force is found, with the entry", async () => {
  const head = (await api(gateway, "GET", "/api/audit/head")).body;
  const kept = `${head.seq}-${head.hash}`;
  expect(await verify(`?after=${kept}`)).toMatchObject({ ok: true });
  const client = new Client(join(gateway.dataDir, "llm-proxy.db"));
  // The process that serves writes too, now and then.
  client.exec("PRAGMA busy_timeout = 5000");
  const refused = [
    "UPDATE audit_entries SET actor_name = 'x' WHERE seq = 3",
    "DELETE FROM audit_entries WHERE seq = 3",
    "INSERT OR REPLACE INTO audit_entries SELECT * FROM audit_entries WHERE seq = 3",
    "UPDATE audit_head SET hash = 'x'",
    "DELETE FROM audit_head",
  ];
  for (const sql of refused) expect(() => client.exec(sql)).toThrow(/audit log/);
  expect(await verify()).toMatchObject({ ok: true });

  client.exec("DROP TRIGGER audit_entries_stay; UPDATE audit_entries SET actor_name = 'x' WHERE seq = 3");
  expect(await verify()).toMatchObject({ ok: false, broken: { seq: 3 }, through: { seq: 2 } });
  const { code, stdout } = await runCommand(gateway, ["audit", "verify"]);
  expect([code, stdout]).toEqual([1, expect.stringContaining("entry 3 of the audit log")]);
  const doctor = await runCommand(gateway, ["doctor", "--json"]);
  expect([doctor.code, doctor.stdout]).toEqual([1, expect.stringContaining('"audit-broken","name"')]);

  // The tail taken away, with a head made to fit: only what was kept elsewhere shows it.
  client.exec("DROP TRIGGER audit_entries_remain; DROP TRIGGER audit_head_moves_on");
  client.exec("DELETE FROM audit_entries WHERE seq > 2");
  client.exec("UPDATE audit_head SET (seq, hash) = (SELECT seq, hash FROM audit_entries WHERE seq = 2)");
  client.close();
  expect(await verify()).toMatchObject({ ok: true, through: { seq: 2 } });
  expect(await verify(`?after=${kept}`)).toMatchObject({ ok: false, broken: { seq: head.seq } });
  expect((await runCommand(gateway, ["audit", "verify", kept])).code).toBe(1);
  expect((await runCommand(gateway, ["audit", "nonsense"])).code).toBe(2);
}, 60_000);
