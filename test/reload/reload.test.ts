import { Database } from "bun:sqlite";
import { afterAll, beforeEach, describe, expect, test } from "bun:test";
import { appendFileSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { call, chat } from "../support/clients.ts";
import { type ConfigState, configFileOf } from "../support/config-file.ts";
import { invariants } from "../support/invariants.ts";
import { answers, frames, newUpstreamId } from "../support/openai-answers.ts";
import { gate, until } from "../support/poll.ts";
import { freePort, Gateway } from "../support/process.ts";
import { WebhookReceiver } from "../support/receiver.ts";
import { json, stalled } from "../support/scripts.ts";
import { setUp } from "../support/setup.ts";

const noted = join(import.meta.dir, "..", "fixtures", "plugins", "noted.ts");
const setup = await setUp({
  config: [
    "server: { breaker: { consecutive: 2, probeMs: 600000 }, attempts: { max: 1 } }",
    "observer: { log: {} }",
    "rate-limit: { per-key: { use: token-bucket, concurrency: 2 } }",
  ].join("\n"),
  providers: '  other: { use: openai-compatible, baseUrl: "http://127.0.0.1:1/v1" }',
});
const { gateway, upstream, key } = setup;
const file = configFileOf(gateway);
const notes = join(gateway.directory, "notes.txt");
const own = file.first.replace(
  /^observer:.*$/m,
  `observer: { kept: { use: "${noted}", path: ${notes}, label: kept }, log: {} }`,
);
appendFileSync(notes, "");
afterAll(setup.stop);
upstream.on("ok", answers());

const noteLines = () => readFileSync(notes, "utf8").split("\n").filter(Boolean);
const observers = (lines: string) => own.replace(/^observer:.*$/m, `observer: { ${lines} }`);
const one = (name: string, more = "", label = name) =>
  `${name}: { use: "${noted}", path: ${notes}, label: ${label}${more} }`;
const ask = (model = "mock/ok") => call(gateway, key.key, chat(model));

/** A stream that has begun and goes on until it is let go. */
async function openStream(model: string, apiKey = key.key) {
  const end = gate();
  const id = newUpstreamId();
  const [first = "", ...rest] = frames(id, {}, true);
  upstream.on(model, (exchange) => {
    exchange.upstreamId = id;
    return stalled(first, end.opened, rest.join(""))(exchange);
  });
  const begun = gate();
  const reply = call(gateway, apiKey, chat(`mock/${model}`, { stream: true }), { onPiece: begun.open });
  await begun.opened;
  return {
    finish() {
      end.open();
      return reply;
    },
  };
}

beforeEach(async () => {
  await file.reloadWith(own);
  await until("nothing of before is in use", async () => (await file.state()).callsBefore.length === 0);
  writeFileSync(notes, "");
});

describe("plugins", () => {
  test("what did not change is kept, what changed is set up anew, what is gone is disposed, each once", async () => {
    await file.reloadWith(observers(`${one("kept")}, ${one("more")}`));
    await file.reloadWith(observers(`${one("kept")}, ${one("more", "", "renamed")}`));
    await file.reloadWith(observers(`${one("kept")}, log: {}`));
    await until("the last one is gone", () => noteLines().includes("dispose renamed"));
    expect(noteLines()).toEqual([
      "setup more",
      "probe more",
      "setup renamed",
      "probe renamed",
      "dispose more",
      "dispose renamed",
    ]);
  });

  test("a call that runs keeps its config to its end, and its plugins until then", async () => {
    await file.reloadWith(observers(one("first")));
    const stream = await openStream("held");
    await file.reloadWith(observers(one("second")));
    expect((await file.state()).callsBefore).toEqual([1]);
    expect(noteLines()).not.toContain("dispose first");
    expect((await ask()).status).toBe(200);
    const reply = await stream.finish();
    expect(reply).toMatchObject({ status: 200, complete: true });
    expect(reply.text).toContain("[DONE]");
    await until("the first one is disposed", () => noteLines().includes("dispose first"));
    expect(noteLines().filter((line) => line.startsWith("call"))).toEqual(["call second", "call first"]);
    expect(noteLines().filter((line) => line === "dispose first")).toHaveLength(1);
  });

  test("a request of the admin API counts once among those of its config", async () => {
    const end = gate();
    const body = new ReadableStream<Uint8Array>({
      async start(controller) {
        controller.enqueue(new TextEncoder().encode("{"));
        await end.opened;
        controller.enqueue(new TextEncoder().encode("}"));
        controller.close();
      },
    });
    const headers = { authorization: `Bearer ${gateway.adminToken}`, "content-type": "application/json" };
    const answer = fetch(`${gateway.url}/api/limits`, { method: "POST", headers, body });
    const left = await until("it is of a config of before", async () => {
      await file.reload();
      const { callsBefore } = await file.state();
      return callsBefore.length > 0 && callsBefore;
    });
    end.open();
    expect((await answer).status).toBe(400);
    expect(left).toEqual([1]);
  });

  test("a changed file of a plugin is loaded again", async () => {
    const path = join(gateway.directory, "own.ts");
    const code = readFileSync(noted, "utf8");
    const text = observers(`own: { use: ./own.ts, path: ${notes}, label: own }`);
    writeFileSync(path, code);
    await file.reloadWith(text);
    writeFileSync(path, code.replace('note("setup")', 'note("another setup")'));
    await file.reload();
    await until("the old one is gone", () => noteLines().includes("dispose own"));
    expect(noteLines().filter((line) => line.endsWith("own"))).toEqual([
      "setup own",
      "probe own",
      "another setup own",
      "probe own",
      "dispose own",
    ]);
  });
});

describe("a config that cannot be used", () => {
  test.each([
    ["does not parse", () => "provider: {{", ["flow"]],
    ["has an unknown key", () => `${own}\nprovidr: {}`, ['did you mean "provider"?']],
    ["names no provider", () => `${own}\nmodels: { fast: [nix/x] }`, ['no provider instance "nix"']],
    ["throws in setup", () => observers(`${one("fine")}, ${one("bad", ", fails: setup")}`), ["cannot be set up"]],
    ["fails its probe", () => observers(`${one("fine")}, ${one("bad", ", fails: probe")}`), ["is not well"]],
    ["speaks no known dialect", () => own.replace("echo: {}", "echo: { use: ./no.ts }"), ["no such file"]],
    [
      "declares a key for nobody",
      () => `${own}\nkeys: { k: { key: 0123456789abcdef0123456789, account: nobody } }`,
      ["no account"],
    ],
  ])("%s: the one of before stays, and says why", async (_, text, words) => {
    const before = await file.state();
    const failure = await file.reloadWith(text()).catch((error: unknown) => String(error).replaceAll("\\", ""));
    for (const word of words) expect(failure).toContain(word);
    const after = await file.state();
    expect(after).toMatchObject({ generation: before.generation, lastReload: { ok: false, by: "admin token" } });
    for (const word of words) expect(after.lastReload?.problems?.join("\n")).toContain(word);
    expect((await gateway.get("/readyz"))?.status).toBe(200);
    expect((await ask()).status).toBe(200);
    expect(gateway.log()).toContain("the config was not reloaded");
    const left = noteLines().filter((line) => line.endsWith("fine") || line.endsWith("bad"));
    const count = (what: string) => left.filter((line) => line.startsWith(what)).length;
    expect(count("dispose")).toBe(count("setup"));
    expect(noteLines()).not.toContain("dispose kept");
  });
});

describe("what outlives a reload", () => {
  test("calls at once, while the limit on them changes", async () => {
    const streams = [await openStream("slow-a"), await openStream("slow-b")];
    await file.reloadWith(own.replace("concurrency: 2", "concurrency: 3"));
    streams.push(await openStream("slow-c"));
    expect((await ask()).status).toBe(429);
    await file.reloadWith(own.replace("concurrency: 2", "concurrency: 1"));
    expect((await ask()).status).toBe(429);
    for (const stream of streams) expect((await stream.finish()).complete).toBe(true);
    await until("no call holds a slot", async () => (await ask()).status === 200);
  });

  test("wrong passwords of somebody who is signed in, also when observers change, through which links are mailed", async () => {
    const person = { email: "ada@example.com", name: "Ada", role: "viewer" };
    const { link } = await gateway.admin<{ link: { url: string } }>("POST", "/api/people", person);
    const token = new URL(link.url).searchParams.get("token") ?? "";
    const sent = (path: string, fields: Readonly<Record<string, string>>, headers: Record<string, string> = {}) =>
      fetch(gateway.url + path, { method: "POST", body: new URLSearchParams(fields), redirect: "manual", headers });
    const signedIn = await sent("/dashboard/login", { token, password: "correct horse battery" });
    const cookie = /^[^;]+/.exec(signedIn.headers.get("set-cookie") ?? "")?.[0] ?? "";
    const me = await (await fetch(`${gateway.url}/dashboard/me`, { headers: { cookie } })).text();
    const csrf = /x-csrf-token&quot;:&quot;(\w+)/.exec(me)?.[1] ?? "";
    const tried = async () => {
      const fields = { csrf, current: "staple horse correct", password: "battery correct horse" };
      const answer = await sent("/dashboard/me/password", fields, { cookie, origin: gateway.url });
      return /too many wrong passwords|not your password/.exec(await answer.text())?.[0];
    };
    expect(await tried()).toBe("not your password");
    await until("there were too many", async () => (await tried()) === "too many wrong passwords");
    await file.reloadWith(observers(`${one("kept")}, ${one("more")}`));
    expect(await tried()).toBe("too many wrong passwords");
  });

  test("wrong tries to sign in, and what metrics say of the reload", async () => {
    const tried = async () => {
      const form = new URLSearchParams({ token: "wrong" });
      const answer = await fetch(`${gateway.url}/dashboard/login`, { method: "POST", body: form, redirect: "manual" });
      return answer.status;
    };
    await until("there were too many", async () => (await tried()) === 429);
    await file.reload();
    expect(await tried()).toBe(429);
    const failed = async () => {
      const text = await (await gateway.get("/metrics", { authorization: `Bearer ${gateway.adminToken}` }))?.text();
      return /^llm_proxy_config_reload_failed (\d)$/m.exec(text ?? "")?.[1];
    };
    expect(await failed()).toBe("0");
    await file.reloadWith("nonsense: {}").catch(() => {});
    expect(await failed()).toBe("1");
  });

  test("what is counted for metrics, while who may see them changes", async () => {
    const counted = async () => {
      const text = await (await gateway.get("/metrics", { authorization: `Bearer ${gateway.adminToken}` }))?.text();
      return Number(
        /^llm_proxy_output_tokens_total\{provider="mock",model="other"\} (\d+)$/m.exec(text ?? "")?.[1] ?? 0,
      );
    };
    await file.reloadWith(observers("prometheus: {}"));
    const stream = await openStream("counted");
    const { length } = upstream.log;
    expect((await ask()).status).toBe(200);
    const before = await counted();
    expect(before).toBeGreaterThan(0);
    await file.reloadWith(observers("prometheus: { public: true }"));
    expect((await gateway.get("/metrics"))?.status).toBe(200);
    expect(await counted()).toBe(before);
    await stream.finish();
    await until("the stream is counted too", async () => (await counted()) === 2 * before);
    expect(upstream.log.length).toBe(length + 1);
  });

  test("an open breaker, for the target that stays", async () => {
    upstream.on("dead", json(500, { error: { message: "no" } }));
    await ask("mock/dead");
    await ask("mock/dead");
    await file.reloadWith(observers(one("kept")));
    const reached = upstream.requestsFor("dead").length;
    expect((await ask("mock/dead")).status).toBe(503);
    expect(upstream.requestsFor("dead").length).toBe(reached);
  });

  test("stored keys of providers and their rests", async () => {
    const { id } = await gateway.admin<{ id: string }>("POST", "/api/providers/mock/credentials", {
      apiKey: "sk-limited-1",
    });
    await gateway.admin("POST", "/api/providers/mock/credentials", { apiKey: "sk-limited-2" });
    upstream.on("limited", (exchange) =>
      exchange.request.headers["authorization"]?.endsWith("-1")
        ? json(429, { error: { message: "slow down" } })(exchange)
        : answers()(exchange),
    );
    const shown = async () => {
      const { data } = await gateway.admin<{ data: { id: string; state: string; requests: number }[] }>(
        "GET",
        "/api/providers/mock/credentials",
      );
      return data.find((credential) => credential.id === id);
    };
    await until("the first key rests", async () => {
      await ask("mock/limited");
      return (await shown())?.state === "resting";
    });
    const before = await shown();
    // The same provider, and then one with another option at the same place.
    await file.reload();
    expect(await shown()).toEqual(before);
    await file.reloadWith(own.replace(`apiKey: "${setup.upstreamKey}"`, 'apiKey: "sk-another"'));
    expect(await shown()).toEqual(before);
    const { data } = await gateway.admin<{ data: { id: string }[] }>("GET", "/api/providers/mock/credentials");
    for (const credential of data) await gateway.admin("DELETE", `/api/providers/mock/credentials/${credential.id}`);
  });
});

describe("the config that comes", () => {
  test("is used for the next call: models, limits, keys, settings; the database's own stay", async () => {
    const limit = await gateway.admin<{ id: string }>("POST", "/api/limits", {
      scope: { kind: "global" },
      requestsPerMinute: 9_999,
    });
    const declared = "declared-key-0123456789-abcdef";
    gateway.secrets.add(declared);
    await file.reloadWith(
      `${own}\nmodels: { fast: [mock/ok] }\nlimits: [{ scope: { kind: model, id: echo }, requestsPerMinute: 1 }]\nkeys: { k: { key: ${declared} } }`.replace(
        "server: {",
        "server: { maxBodyBytes: 2000,",
      ),
    );
    expect((await call(gateway, declared, chat("fast"))).status).toBe(200);
    expect([(await ask("echo")).status, (await ask("echo")).status]).toEqual([200, 429]);
    expect((await call(gateway, key.key, chat("fast", { user: "x".repeat(2_000) }))).status).toBe(413);
    const ids = async () =>
      (await gateway.admin<{ data: { id: string }[] }>("GET", "/api/limits")).data.map(({ id }) => id);
    expect(await ids()).toEqual([limit.id, "file-0", "default-ip", "rate-limit-per-key"]);
    await file.reloadWith(own);
    expect((await ask("fast")).status).toBe(404);
    expect((await ask("echo")).status).toBe(200);
    expect((await call(gateway, declared, chat("mock/ok"))).status).toBe(401);
    expect(await ids()).toEqual([limit.id, "default-ip", "rate-limit-per-key"]);
    await gateway.admin("DELETE", `/api/limits/${limit.id}`);
  });

  test("says what only a restart brings, and goes on with the storage and the port there are", async () => {
    const text = own.replace("server: {", "server: { timeouts: { clientMs: 5000 },");
    const { needsRestart } = await file.reloadWith(`${text}\nstorage: { sqlite: { path: other.db } }`);
    expect(needsRestart).toEqual(["storage", "server.timeouts.clientMs"]);
    expect((await ask()).status).toBe(200);
    expect((await file.reload()).needsRestart).toEqual(["storage", "server.timeouts.clientMs"]);
  });

  test("comes with SIGHUP too", async () => {
    const { generation } = await file.state();
    file.write(`${own}\nmodels: { hup: [mock/ok] }`);
    process.kill(gateway.pid, "SIGHUP");
    await until("the next generation", async () => (await file.state()).generation > generation);
    expect((await file.state()).lastReload).toMatchObject({ ok: true, by: "SIGHUP" });
    expect((await ask("hup")).status).toBe(200);
  });
});

test("SIGHUP before the process is ready is a reload when it is", async () => {
  const starting = new Gateway(await freePort(), { config: "observer: { own: { use: ./own.ts } }\n" });
  const [begun, go] = ["begun", "go"].map((name) => join(starting.directory, name));
  const code = `
    import { existsSync, writeFileSync } from "node:fs";
    import { setTimeout } from "node:timers/promises";
    import { definePlugin, t } from "llm-proxy/plugin";
    export default definePlugin({ kind: "observer", name: "own", api: 1, config: t.Object({}), async setup() {
      writeFileSync(${JSON.stringify(begun)}, "");
      while (!existsSync(${JSON.stringify(go)})) await setTimeout(5);
      return { callEnded() {} };
    } });`;
  writeFileSync(join(starting.directory, "own.ts"), code);
  try {
    starting.spawn();
    await until("it is setting up", () => existsSync(begun ?? ""), { deadlineMs: 20_000 });
    process.kill(starting.pid, "SIGHUP");
    process.kill(starting.pid, "SIGHUP");
    writeFileSync(go ?? "", "");
    const state = await until(
      "the config was reloaded",
      async () => {
        if (!starting.running) throw new Error(`it ended:\n${starting.log()}`);
        const answer = await starting.get("/api/config", { authorization: `Bearer ${starting.adminToken}` });
        const found: ConfigState | null = answer?.ok ? await answer.json() : null;
        return found?.lastReload ? found : null;
      },
      { deadlineMs: 20_000 },
    );
    expect(state).toMatchObject({ generation: 1, lastReload: { ok: true, by: "SIGHUP" } });
  } finally {
    await starting.dispose();
  }
}, 60_000);

test("a config whose receivers cannot be written down serves, and its receivers get what waits for them", async () => {
  const receiver = await WebhookReceiver.start();
  const hook = (name: string) => `${name}: { use: webhook, url: "${receiver.url}", secret: s, events: [usage.call] }`;
  await file.reloadWith(observers(`${hook("ops")}, ${one("before")}`));
  const writes = new Database(join(gateway.dataDir, "llm-proxy.db"));
  const reported = () => receiver.takenOf("usage.call").length;
  try {
    writes.run("PRAGMA busy_timeout = 5000");
    writes.run(
      "CREATE TRIGGER full BEFORE INSERT ON receivers WHEN NEW.name = 'more' BEGIN SELECT RAISE(ABORT, 'no room'); END",
    );
    const { generation } = await file.state();
    const more = await file.reloadWith(`${observers(`${hook("ops")}, ${hook("more")}`)}\nmodels: { fresh: [mock/ok] }`);
    expect(more).toMatchObject({ ok: true, generation: generation + 1 });
    await until("the plugins of before are gone", () => noteLines().includes("dispose before"));
    expect(gateway.log()).toContain("what is kept for the receivers of events follows the config only");
    expect((await ask("fresh")).status).toBe(200);
    await until("the call is told", () => reported() === 1);
    writes.run("DROP TRIGGER full");
    await file.reloadWith(observers(hook("ops")));
    expect((await ask()).status).toBe(200);
    await until("the next call is told", () => reported() === 2);
  } finally {
    writes.run("DROP TRIGGER IF EXISTS full");
    writes.close();
    await file.reloadWith(own);
    await receiver.stop();
  }
});

test("nothing was lost or counted twice", () => invariants(setup));
