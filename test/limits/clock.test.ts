import { afterAll, beforeAll, expect, test } from "bun:test";
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { call, chat } from "../support/clients.ts";
import { runCommand } from "../support/command.ts";
import { answers } from "../support/openai-answers.ts";
import { gate, until } from "../support/poll.ts";
import { json, openStream } from "../support/scripts.ts";
import { allUsage } from "../support/rows.ts";
import { type Setup, setUp } from "../support/setup.ts";
import { api, join as joined } from "../support/visits.ts";

/** Battery 157: the machine's clock is wrong, and steps while calls run. The clock that never steps goes on. */
const library = libraryIn("/usr/lib") ?? libraryIn("/usr/local/lib");
if (library === null) console.log("skipped: 9 tests of a clock that steps (no faketime here)");
else withClock(library);

function withClock(path: string): void {
  const folder = mkdtempSync(join(tmpdir(), "llm-proxy-clock-"));
  const file = join(folder, "clock");
  /** Seconds beside the machine's own clock, from the next look at it on. */
  const step = (seconds: number) => writeFileSync(file, `${seconds < 0 ? "" : "+"}${seconds}s`);
  const hour = 3_600;
  let setup: Setup;
  beforeAll(async () => {
    step(hour);
    setup = await setUp({
      config: "server: { timeouts: { drainMs: 300 } }\nmodels: { pair: [mock/first, mock/second] }",
      env: {
        LD_PRELOAD: path,
        FAKETIME_TIMESTAMP_FILE: file,
        FAKETIME_NO_CACHE: "1",
        FAKETIME_DONT_FAKE_MONOTONIC: "1",
      },
    });
    setup.upstream.on("ok", answers({ promptTokens: 10, completionTokens: 10 }));
  }, 60_000);
  afterAll(async () => {
    await setup.stop();
    rmSync(folder, { recursive: true });
  });
  const ask = (key: string) => call(setup.gateway, key, chat("mock/ok"));

  test("limits count in real time: a step neither gives more nor shuts anybody out for longer than a window", async () => {
    const { gateway } = setup;
    const { key } = await gateway.createKey({ limits: { requestsPerMinute: 5 } });
    for (let at = 0; at < 5; at++) expect((await ask(key)).status).toBe(200);
    for (const seconds of [0, -hour, hour, 26 * hour, -26 * hour, 0]) {
      step(seconds);
      const refused = await ask(key);
      expect([seconds, refused.status]).toEqual([seconds, 429]);
      const waitSeconds = Number(refused.headers.get("retry-after"));
      expect(waitSeconds).toBeGreaterThanOrEqual(1);
      expect(waitSeconds).toBeLessThanOrEqual(60);
    }
    // What a second refills is there a second later, whatever the clock did meanwhile.
    const { key: quick } = await gateway.createKey({ limits: { requestsPerSecond: 1 } });
    expect((await ask(quick)).status).toBe(200);
    for (const seconds of [-hour, hour]) {
      step(seconds);
      const fromMs = performance.now();
      await until("the second is over", async () => (await ask(quick)).status === 200);
      expect(performance.now() - fromMs).toBeLessThan(5_000);
    }
    const { key: one } = await gateway.createKey({ limits: { concurrency: 1 } });
    const held = gate();
    setup.upstream.on("held", async (exchange) => {
      await held.opened;
      await answers()(exchange);
    });
    const flying = call(gateway, one, chat("mock/held"));
    await until("it is upstream", () => setup.upstream.log.some(({ model }) => model === "held"));
    step(-hour);
    expect((await ask(one)).status).toBe(429);
    held.open();
    expect((await flying).status).toBe(200);
    await until("its place is free", async () => (await ask(one)).status === 200);
  }, 60_000);

  test("budgets go by the day of UTC that the clock tells: never over, and nothing is spent twice", async () => {
    const { gateway } = setup;
    step(0);
    // 10 tokens in at 1 and 10 out at 2 USD per million: 30,000 nano-USD a call.
    const { key, id } = await gateway.createKey({ budget: { usd: "0.0015", window: "day" } });
    const spentNow = async () => {
      const { data } = await gateway.admin<{ data: { scope: { id: string }; spentNano: number; heldNano: number }[] }>(
        "GET",
        "/api/budgets?limit=200",
      );
      return data.find(({ scope }) => scope.id === id);
    };
    const spend = async () => {
      for (;;) {
        const { status } = await call(gateway, key, { ...chat("mock/ok"), max_tokens: 10 });
        if (status !== 200) return status;
      }
    };
    expect([402, 429]).toContain(await spend());
    const spent = (await spentNow())?.spentNano ?? 0;
    expect(spent).toBeGreaterThan(0);
    expect(spent).toBeLessThanOrEqual(1_500_000);
    step(26 * hour);
    expect((await call(gateway, key, { ...chat("mock/ok"), max_tokens: 10 })).status).toBe(200);
    step(0);
    // Back in the day before, which is as full as it was.
    expect([402, 429]).toContain((await call(gateway, key, { ...chat("mock/ok"), max_tokens: 10 })).status);
    expect(await spentNow()).toMatchObject({ spentNano: spent, heldNano: 0 });
    const rows = allUsage(gateway).filter(({ status }) => status !== "open");
    expect(rows.filter(({ duration_ms: took }) => took !== null && Number(took) < 0)).toEqual([]);
    // Not `invariants`: for it, what a later window counts is of the one that is now.
    expect((await runCommand(gateway, ["doctor"])).code).toBe(0);
  }, 60_000);

  test("a budget and a balance made before a step back hold after it, over a restart too, and count what they held", async () => {
    const { gateway } = setup;
    step(26 * hour);
    // 30,000 nano-USD a call; more is held.
    const { key, id } = await gateway.createKey({ budget: { usd: "0.0015", window: "lifetime" } });
    const { id: accountId } = await gateway.admin<{ id: string }>("POST", "/api/accounts", { name: "prepaid" });
    const { key: prepaid } = await gateway.createKey({ accountId });
    await gateway.admin("POST", "/api/ledger/credits", { accountId, usd: "0.0015" });
    const keys = [key, prepaid];
    const askOnce = async (of: string) => (await call(gateway, of, { ...chat("mock/ok"), max_tokens: 10 })).status;
    const askBoth = () => Promise.all(keys.map(askOnce));
    const counted = async () => {
      const { data } = await gateway.admin<{ data: { accountId: string; balanceNano: number }[] }>(
        "GET",
        "/api/ledger/balances",
      );
      const [budget] = gateway.sql<{ spent_nano: number }>("SELECT spent_nano FROM v_budget WHERE scope_id = ?", id);
      const left = data.find((balance) => balance.accountId === accountId)?.balanceNano ?? 0;
      return [budget?.spent_nano, 1_500_000 - left];
    };
    step(-hour);
    expect(await askBoth()).toEqual([200, 200]);
    expect(await counted()).toEqual([30_000, 30_000]);
    await gateway.restart();
    let calls = 1;
    while ((await askOnce(key)) === 200 && (await askOnce(prepaid)) === 200) calls += 1;
    expect(calls).toBeGreaterThan(1);
    for (const seconds of [-hour, 0, 27 * hour]) {
      step(seconds);
      expect([seconds, ...(await askBoth())]).toEqual([seconds, 402, 402]);
      expect(await counted()).toEqual([calls * 30_000, calls * 30_000]);
    }
    step(0);
    expect((await runCommand(gateway, ["doctor"])).code).toBe(0);
  }, 60_000);

  test("a budget and a balance made after a step back count what they held, and no call before them", async () => {
    const { gateway } = setup;
    step(29 * hour);
    const { id: accountId } = await gateway.admin<{ id: string }>("POST", "/api/accounts", { name: "late" });
    const { key, id } = await gateway.createKey({ accountId });
    const askOnce = async () => (await call(gateway, key, { ...chat("mock/ok"), max_tokens: 10 })).status;
    expect(await askOnce()).toBe(200);
    step(28 * hour);
    const scope = { kind: "key", id };
    await gateway.admin("POST", "/api/budgets", { scope, usd: 1, window: "lifetime" });
    await gateway.admin("POST", "/api/ledger/credits", { accountId, usd: "1" });
    const proven = () => runCommand(gateway, ["doctor"]);
    expect(await proven()).toMatchObject({ code: 0 });
    expect(await askOnce()).toBe(200);
    step(30 * hour);
    expect(await askOnce()).toBe(200);
    expect(await proven()).toMatchObject({ code: 0 });
    const [budget] = gateway.sql<{ spent_nano: number }>("SELECT spent_nano FROM v_budget WHERE scope_id = ?", id);
    expect(budget?.spent_nano).toBe(60_000);
  }, 60_000);

  test("an account that was moved before a step back is looked after by the people above it alone", async () => {
    const { gateway } = setup;
    step(27 * hour);
    const account = async (name: string, parentId?: string) =>
      (await gateway.admin<{ id: string }>("POST", "/api/accounts", { name, ...(parentId && { parentId }) })).id;
    const [from, to] = [await account("from"), await account("to")];
    const team = await account("team", from);
    const { id: keyId } = await gateway.createKey({ accountId: team });
    const people = [
      await joined(gateway, "admin", { accountId: from }),
      await joined(gateway, "admin", { accountId: to }),
    ];
    await gateway.admin("PATCH", `/api/accounts/${team}`, { parentId: to });
    step(26 * hour);
    const seen = (route: string) =>
      Promise.all(people.map(async ({ token }) => (await api(gateway, "GET", route, undefined, token)).status));
    expect(await seen(`/api/accounts/${team}`)).toEqual([404, 200]);
    expect(await seen(`/api/keys/${keyId}`)).toEqual([404, 200]);
  }, 60_000);

  test("a call waits for the first one with its Idempotency-Key in real time", async () => {
    const { gateway, upstream, key } = setup;
    step(0);
    const [isSet, isLast] = [gate(), gate()];
    let asked = 0;
    upstream.on("twice", async (exchange) => {
      asked += 1;
      if (asked === 1) {
        await isSet.opened;
        await json(400, { error: { message: "no", type: "invalid_request_error", code: null } })(exchange);
        return;
      }
      await isLast.opened;
      await answers()(exchange);
    });
    const openCalls = async () => {
      const metrics = await gateway.get("/metrics", { authorization: `Bearer ${gateway.adminToken}` });
      return Number(/^llm_proxy_open_calls (\d+)$/m.exec((await metrics?.text()) ?? "")?.[1]);
    };
    await until("no other is in flight", async () => (await openCalls()) === 0);
    const headers = { "idempotency-key": crypto.randomUUID() };
    const askTwice = () => call(gateway, key.key, chat("mock/twice"), { headers });
    const first = askTwice();
    await until("it is asked", () => asked === 1);
    const later = [askTwice(), askTwice()];
    await until("they are there", async () => (await openCalls()) === 3);
    // Refused where they wait: they came before it.
    const other = { ...chat("mock/twice"), max_tokens: 1 };
    expect((await call(gateway, key.key, other, { headers })).status).toBe(422);
    step(26 * hour);
    isSet.open();
    expect((await first).status).toBe(400);
    await until("it is asked again", () => asked === 2);
    isLast.open();
    expect((await Promise.all(later)).map(({ status }) => status)).toEqual([200, 200]);
  }, 20_000);

  test("a step ends no stream, and leaves no target alone for longer than it would be", async () => {
    const { gateway, upstream, key } = setup;
    step(0);
    const held = gate();
    upstream.on("slow", async (exchange) => {
      const stream = await openStream(exchange);
      await stream.send("data: {}\n\n");
      await held.opened;
      await stream.send("data: [DONE]\n\n");
      await stream.end();
    });
    let begun = "";
    const stream = (headers: Readonly<Record<string, string>>) =>
      call(gateway, key.key, chat("mock/slow", { stream: true }), { headers, onPiece: (soFar) => (begun += soFar) });
    const long = stream({ "x-llm-proxy-timeouts": "total=3600000" });
    await until("it has begun", () => begun !== "");
    step(26 * hour);
    // All streams are looked at by then.
    expect((await stream({ "x-llm-proxy-timeouts": "idle=1000" })).text).toContain("caller_timeout");
    held.open();
    expect((await long).text).toContain("[DONE]");

    upstream.on("failing", json(500, "{}"));
    const isLeftAlone = async () => (await call(gateway, key.key, chat("mock/failing"))).text.includes("breaker_open");
    await until("it is left alone", isLeftAlone);
    upstream.on("failing", answers());
    step(0);
    // What is told is by the clock as it is now.
    type Health = { data: { name: string; breakers: { since: number }[] }[] };
    const { data } = await gateway.admin<Health>("GET", "/api/providers/health");
    const [breaker] = data.find(({ name }) => name === "mock")?.breakers ?? [];
    expect(Math.abs(Date.now() - (breaker?.since ?? 0))).toBeLessThan(60_000);
    await until("it is asked again", async () => (await call(gateway, key.key, chat("mock/failing"))).status === 200);
  }, 60_000);

  for (const [way, seconds] of [
    ["back", -hour],
    ["forward", hour],
  ] as const)
    test(`a call asks its targets on when the clock is set ${way} between two of them`, async () => {
      const { gateway, upstream, key } = setup;
      step(0);
      const busy = json(503, { error: { message: "busy", type: "server_error", code: null } });
      const refused = json(401, { error: { message: "who?", type: "invalid_request_error", code: null } });
      const isSet = gate();
      let isAsked = false;
      let left = 1;
      upstream.on("first", (exchange) => (left-- > 0 ? busy : answers())(exchange));
      upstream.on("second", async (exchange) => {
        isAsked = true;
        await isSet.opened;
        await refused(exchange);
      });
      const fromMs = performance.now();
      const asking = call(gateway, key.key, chat("pair"), { signal: AbortSignal.timeout(10_000) });
      await until("the second is asked", () => isAsked);
      step(seconds);
      isSet.open();
      const { status, headers } = await asking;
      expect([status, headers.get("x-llm-proxy-attempts")]).toEqual([200, "3"]);
      expect(performance.now() - fromMs).toBeLessThan(10_000);
    }, 20_000);

  test("a process that ends while the clock is set back waits no longer for its calls", async () => {
    const { gateway, upstream, key } = setup;
    step(0);
    upstream.on("endless", async (exchange) => {
      await (await openStream(exchange)).send("data: {}\n\n");
      await exchange.over;
    });
    let begun = "";
    const endless = call(gateway, key.key, chat("mock/endless", { stream: true }), {
      onPiece: (soFar) => (begun = soFar),
    });
    await until("it has begun", () => begun !== "");
    const ended = gateway.stop();
    await until("it drains", async () => !(await fetch(`${gateway.url}/readyz`).catch(() => null))?.ok);
    step(-hour);
    expect(await ended).toBe(0);
    expect((await endless).text).toContain("shutting down");
  }, 20_000);
}

function libraryIn(folder: string): string | null {
  if (!existsSync(folder)) return null;
  const places = [folder, ...readdirSync(folder).map((name) => join(folder, name))];
  const known = places.map((place) => join(place, "faketime", "libfaketime.so.1"));
  return known.find((path) => existsSync(path)) ?? null;
}
