import { Database as Client } from "bun:sqlite";
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join as joined } from "node:path";
import { call, chat } from "../support/clients.ts";
import { runCommand } from "../support/command.ts";
import { invariants } from "../support/invariants.ts";
import { answers } from "../support/openai-answers.ts";
import { startGateway } from "../support/process.ts";
import { WebhookReceiver } from "../support/receiver.ts";
import { json, reset } from "../support/scripts.ts";
import { type Setup, setUp } from "../support/setup.ts";
import { api, crawl, join, operatorSession, send, type Signed } from "../support/visits.ts";
import { everyRoute, filled, isForm } from "./routes.ts";

/** Every secret that the process is given or makes, looked for in everything that leaves it or that it writes (B11). */
const canary = (what: string) => `${what}-canary-${crypto.randomUUID()}`;
const secrets = {
  master: canary("master-secret-of-more-than-thirty-two-characters"),
  jwt: canary("jwt-secret-of-more-than-thirty-two-characters"),
  webhook: canary("webhook-secret"),
  inUrl: canary("url-key"),
  unreached: canary("sk-unreached"),
  environment: canary("environment"),
};
const routes = everyRoute();
let setup: Setup;
let receiver: WebhookReceiver;
let owner: Signed;
const answered: { readonly what: string; readonly text: string }[] = [];

beforeAll(async () => {
  receiver = await WebhookReceiver.start();
  setup = await setUp({
    env: {
      LOG_LEVEL: "debug",
      LLM_PROXY_SECRET: secrets.master,
      UNREACHED_KEY: secrets.unreached,
      UNUSED: secrets.environment,
      NODE_ENV: undefined,
    },
    providers: `  refused: { use: openai-compatible, baseUrl: "http://127.0.0.1:1/v1/${secrets.inUrl}", apiKey: "\${UNREACHED_KEY}" }
  missing: { use: openai-compatible, baseUrl: "http://nowhere.invalid/v1/${secrets.inUrl}", apiKey: "\${UNREACHED_KEY}" }`,
    config: `  - { target: refused/*, input: 1, output: 1 }
  - { target: missing/*, input: 1, output: 1 }
auth:
  api-key: {}
  staff: { use: jwt, issuer: "https://login.example.com", audience: us, secret: "${secrets.jwt}" }
observer:
  log: {}
  prometheus: {}
  ops: { use: webhook, url: "${receiver.url}", secret: "${secrets.webhook}", events: [usage.call] }
`,
  }).catch((error: unknown) => {
    throw new Error(String(error).slice(0, 2_000));
  });
  for (const secret of Object.values(secrets)) setup.gateway.secrets.add(secret);
  setup.gateway.secrets.add("hook-canary");
  owner = await join(setup.gateway, "owner");
}, 60_000);
afterAll(async () => {
  await setup.stop();
  await receiver.stop();
});

const leaks = (text: string): readonly string[] =>
  [...setup.gateway.secrets, owner.cookie.split("=")[1] ?? ""].filter((secret) => text.includes(secret));

describe("secrets (052, 136, 137, 138)", () => {
  test("are in no answer to calls that fail in every way", async () => {
    const { gateway, upstream, key, upstreamKey } = setup;
    upstream.on("ok", answers());
    upstream.on("reset", reset);
    const echoed = `key ${upstreamKey} at https://x/v1?key=${upstreamKey}, authorization: Bearer ${upstreamKey}`;
    upstream.on("echo", json(401, { error: { message: echoed, type: "auth", code: upstreamKey } }));
    for (const model of ["mock/ok", "mock/reset", "mock/echo", "mock/none", "refused/x", "missing/x", "nobody/x"])
      for (const stream of [false, true])
        for (const path of ["/v1/chat/completions", "/v1/messages", "/v1/responses"]) {
          const body = { ...chat(model, { stream, max_tokens: 5 }), input: "x" };
          const reply = await call(gateway, key.key, body, { path });
          answered.push({ what: `${path} ${model}`, text: `${reply.text} ${JSON.stringify([...reply.headers])}` });
        }
    for (const wrong of [`${key.key}x`, secrets.jwt, `eyJhbGciOiJIUzI1NiJ9.e30.${"a".repeat(43)}`]) {
      const reply = await call(gateway, wrong, chat("mock/ok"));
      expect(reply.status).toBe(401);
      answered.push({ what: "a wrong key", text: reply.text });
    }
    expect(answered.filter(({ text }) => leaks(text).length > 0)).toEqual([]);
    expect(answered.length).toBeGreaterThan(40);
  }, 60_000);

  test("are in no route's answer, no page, no export and no message of a command", async () => {
    const { gateway, key } = setup;
    const account = (await api(gateway, "POST", "/api/accounts", { name: "a" })).body.id;
    await api(gateway, "POST", "/api/people", { email: "late@example.com", name: "Late", role: "viewer" });
    await api(gateway, "POST", `/api/keys/${key.id}/rotation`, { graceSeconds: 600 }).then(({ body }) =>
      gateway.secrets.add(body.key),
    );
    const callId = gateway.sql<{ call_id: string }>("select call_id from v_usage limit 1")[0]?.call_id ?? "";
    const ids: Readonly<Record<string, string>> = { keys: key.id, accounts: account, people: owner.id, calls: callId };
    const shown: { readonly what: string; readonly text: string }[] = [];
    for (const { method, path } of routes().filter((route) => route.method === "GET" && !isForm(route.path))) {
      const to = filled(
        path.replace(/^\/api\/(\w+)\/:id/, (whole, kind: string) => whole.replace(":id", ids[kind] ?? ":id")),
      );
      for (const headers of [{}, { authorization: `Bearer ${owner.token}` }, { authorization: `Bearer ${key.key}` }]) {
        const answer = await send(gateway, method, to, { headers });
        shown.push({
          what: `${method} ${to}: ${answer.status}`,
          text: `${answer.text} ${JSON.stringify([...answer.headers])}`,
        });
      }
    }
    const { cookie } = await operatorSession(gateway);
    for (const one of [cookie, owner.cookie])
      for (const [path, text] of (await crawl(gateway, one, { most: 40 })).pages) shown.push({ what: path, text });
    for (const args of [["check"], ["doctor", "--json"]]) {
      const { stdout, stderr } = await runCommand(gateway, args);
      shown.push({ what: args.join(" "), text: stdout + stderr });
    }
    expect(shown.flatMap(({ what, text }) => leaks(text).map((secret) => `${what}: ${secret}`))).toEqual([]);
    expect(shown.length).toBeGreaterThan(130);
  }, 60_000);

  test("are in no log, no file but the secret's own, no command line; receivers get none", async () => {
    const { gateway } = setup;
    await invariants(setup);
    expect(leaks(readFileSync(`/proc/${gateway.pid}/cmdline`, "utf8"))).toEqual([]);
    expect(receiver.got.length).toBeGreaterThan(0);
    const sent = receiver.got.map(({ text, headers }) => text + JSON.stringify(headers)).join("\n");
    expect(leaks(sent).filter((secret) => secret !== "hook-canary")).toEqual([]);
    // Whatever was not foreseen as a secret but has the form of one.
    const log = gateway.log();
    expect(log.match(/eyJ[\w-]{10,}\.[\w-]+\./g)).toBeNull();
    // The first start prints the first key, once to use and once in its curl.
    expect(new Set(log.match(/sk-llmp-[0-9A-Za-z]{12}-[0-9A-Za-z]{20,}/g)).size).toBe(1);
    expect(log.match(/llmp_pat_\w{20,}/g)).toBeNull();
    expect(log).not.toContain(Buffer.from(secrets.master).toString("base64").slice(0, 40));
  });
});

describe("an address with a key in it (138)", () => {
  test.each([
    `http://127.0.0.1:1/v1?key=${secrets.inUrl}`,
    `http://127.0.0.1:1/v1#${secrets.inUrl}`,
    `http://u:${secrets.inUrl}@127.0.0.1:1/v1`,
  ])("does not start, and is not repeated", async (baseUrl) => {
    const config = `provider: { x: { use: openai-compatible, baseUrl: "${baseUrl}", apiKey: none } }\n`;
    const failure = await startGateway({ config }).then(
      () => "started",
      (error: unknown) => String(error),
    );
    expect(failure).toContain("baseUrl");
    expect(failure).not.toContain(secrets.inUrl);
  });
});

describe("a database that cannot be read (141)", () => {
  test("is told of in no answer: no SQL, no path, no stack", async () => {
    const { gateway } = setup;
    const heal = hide(joined(gateway.dataDir, "llm-proxy.db"), ["calls", "budgets", "accounts", "people", "limits"]);
    const { cookie } = owner;
    try {
      for (const { method, path } of routes().filter((route) => route.method === "GET"))
        for (const headers of [
          { authorization: `Bearer ${gateway.adminToken}` },
          { cookie },
          { "x-api-key": setup.key.key },
        ]) {
          const answer = await send(gateway, method, filled(path), { headers });
          const sent = answer.headers;
          // The operator may know which config is in use.
          const text = answer.text.replaceAll(joined(gateway.directory, "llm-proxy.yaml"), "");
          const leak =
            /no such table|SQLITE_|SQLiteError|select |\.ts\b|node_modules|\n\s+at |Elysia|\/work|\/tmp/i.exec(
              text,
            )?.[0] ?? null;
          expect([path, leak, sent.get("server"), sent.get("x-powered-by")]).toEqual([path, null, null, null]);
        }
    } finally {
      heal();
    }
    expect((await api(gateway, "GET", "/api/calls")).status).toBe(200);
  }, 30_000);
});

/** From now on each read of the tables fails, until what it returns is called. */
function hide(path: string, tables: readonly string[]): () => void {
  const rename = (from: string, to: string) => {
    const client = new Client(path);
    client.run("pragma legacy_alter_table = on");
    client.run("pragma busy_timeout = 5000");
    for (const table of tables) client.run(`alter table ${table}${from} rename to ${table}${to}`);
    client.close();
  };
  rename("", "_away");
  return () => rename("_away", "");
}
