import { afterEach, describe, expect, test } from "bun:test";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { call, chat } from "../support/clients.ts";
import { runCommand } from "../support/command.ts";
import { invariants } from "../support/invariants.ts";
import { answers } from "../support/openai-answers.ts";
import { eachOf, until } from "../support/poll.ts";
import { MailServer } from "../support/mail-server.ts";
import { signatureOf, WebhookReceiver } from "../support/receiver.ts";
import { type Setup, setUp, type SetupOptions } from "../support/setup.ts";

/** What receivers of alerts and of usage get of a real process: signed, each once, over failures, stops and kills. */
const secret = "a-webhook-canary-of-these-tests";
const stops: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0).reverse()) await stop();
});

async function started(
  events: string,
  options: SetupOptions = {},
  more = "",
): Promise<{ readonly setup: Setup; readonly receiver: WebhookReceiver }> {
  const receiver = await WebhookReceiver.start();
  stops.push(() => receiver.stop());
  const config = `observer:\n  log: {}\n  ops: { use: webhook, url: "${receiver.url}", secret: "${secret}", events: ${events}${more} }\n`;
  const setup = await setUp({ ...options, config });
  stops.push(() => setup.stop());
  setup.gateway.secrets.add(secret);
  setup.gateway.secrets.add("hook-canary");
  setup.upstream.on("m", answers({ promptTokens: 1_000, completionTokens: 10 }));
  return { setup, receiver };
}
const usage = "[usage.call, usage.adjustment]";
/** One holds 1,130,000 nano-USD and costs 1,020,000. */
const calls = ({ gateway, key }: Setup, count: number, width = 16) =>
  eachOf(
    Array.from({ length: count }, (_, at) => at),
    width,
    async () => {
      const { status, callId } = await call(gateway, key.key, chat("mock/m", { max_tokens: 10 }));
      expect(status).toBe(200);
      return callId;
    },
  );
const idsOf = (events: readonly { readonly id: string }[]) => events.map(({ id }) => id);
interface State {
  readonly name: string;
  readonly behind: number;
  readonly waiting: number;
  readonly dead: number;
  readonly attempts: number;
  readonly lastError: string | null;
}
const stateOf = async ({ gateway }: Setup) =>
  (await gateway.admin<{ data: State[] }>("GET", "/api/outbox")).data.find(({ name }) => name === "ops");

describe("usage", () => {
  test("every call that ended, once and in the order of the records, signed", async () => {
    const { setup, receiver } = await started(usage);
    const ids = await calls(setup, 60);
    await until("all of them", () => receiver.taken.length >= ids.length);
    expect(idsOf(receiver.taken)).toEqual(
      setup.gateway.sql<{ id: string }>("select id from calls order by seq").map(({ id }) => id),
    );
    expect(idsOf(receiver.taken).toSorted()).toEqual(ids.toSorted());
    expect(receiver.taken[0]).toMatchObject({
      type: "usage.call",
      data: {
        keyId: setup.key.id,
        accountId: "default",
        model: "mock/m",
        status: "ok",
        inputTokens: 1_000,
        outputTokens: 10,
        chargeNano: 1_020_000,
        source: "provider",
      },
    });
    for (const got of receiver.got) {
      expect(got.headers["webhook-signature"]).toBe(signatureOf(got, secret));
      expect(got.headers["webhook-id"]).toBe(got.body.id);
      expect(Math.abs(Number(got.headers["webhook-timestamp"]) * 1_000 - got.atMs)).toBeLessThan(5_000);
    }
    await invariants(setup);
  });

  test("what fails is tried again with the same id, before what comes behind it", async () => {
    const { setup, receiver } = await started(usage);
    receiver.script(500, 500, (_, response) => response.destroy(), 302, 200);
    const ids = await calls(setup, 3, 1);
    await until("all of them", () => receiver.taken.length >= 3, { deadlineMs: 20_000 });
    expect(idsOf(receiver.taken)).toEqual(ids);
    expect(receiver.got.map(({ body }) => body.id)).toEqual(
      [ids[0], ids[0], ids[0], ids[0], ...ids].map((id) => id ?? ""),
    );
    expect(await stateOf(setup)).toMatchObject({
      behind: 0,
      attempts: 0,
      lastError: "HTTP 302: redirects are not followed",
    });
  }, 30_000);

  test("a process that is killed while it delivers loses none, and invents none", async () => {
    const { setup, receiver } = await started(usage);
    const ids: string[] = [];
    for (let round = 0; round < 4; round++) {
      const seen = receiver.taken.length;
      ids.push(...(await calls(setup, 25)));
      await until("some of them", () => receiver.taken.length > seen);
      await setup.gateway.kill();
      await setup.gateway.start();
    }
    await until("all of them", () => new Set(idsOf(receiver.taken)).size >= ids.length, { deadlineMs: 20_000 });
    expect([...new Set(idsOf(receiver.taken))].toSorted()).toEqual(ids.toSorted());
    // Twice came only what was under way in a kill: one request at a time.
    expect(receiver.taken.length).toBeLessThanOrEqual(ids.length + 4);
  }, 60_000);

  test("a call whose process died is told as it was ended", async () => {
    const { setup, receiver } = await started(usage);
    const [first = ""] = await calls(setup, 1);
    await until("the call", () => receiver.taken.length === 1);
    setup.upstream.on("m", () => {});
    void call(setup.gateway, setup.key.key, chat("mock/m")).catch(() => {});
    await until(
      "an open call",
      () => setup.gateway.sql<{ n: number }>("select count(*) as n from open_calls")[0]?.n === 1,
    );
    await setup.gateway.kill();
    await setup.gateway.start();
    await until("the call that was interrupted", () => receiver.taken.length === 2);
    expect(receiver.taken[1]).toMatchObject({ type: "usage.call", data: { status: "interrupted" } });
    expect(idsOf(receiver.taken)[0]).toBe(first);
  }, 30_000);

  test("re-rating comes as an event of its own, and both together are the ledger", async () => {
    const { setup, receiver } = await started(usage);
    const { gateway } = setup;
    const [id = ""] = await calls(setup, 1);
    await until("the call", () => receiver.taken.length === 1);
    const file = join(gateway.directory, "llm-proxy.yaml");
    writeFileSync(file, readFileSync(file, "utf8").replace("input: 1,", "input: 3,"));
    await gateway.restart();
    const { code } = await runCommand(gateway, [
      "reprice",
      "--from",
      "0",
      "--to",
      "4102444800000",
      "--reason",
      "wrong",
    ]);
    expect(code).toBe(0);
    await until("the adjustment", () => receiver.taken.length === 2);
    expect(receiver.taken[1]).toMatchObject({
      type: "usage.adjustment",
      data: { callId: id, keyId: setup.key.id, chargeDeltaNano: 2_000_000, reason: "wrong", author: "command line" },
    });
    const [ledger] = gateway.sql<{ nano: number }>("select -sum(delta_nano) as nano from v_ledger");
    const told = receiver.taken.map(({ data }) => Number(data["chargeNano"] ?? data["chargeDeltaNano"]));
    expect(told.reduce((sum, nano) => sum + nano, 0)).toBe(ledger?.nano ?? -1);
  }, 30_000);

  test("in lists where that is asked for", async () => {
    const { setup, receiver } = await started(usage, {}, ", batch: 50");
    receiver.script(503, 200);
    const ids = await calls(setup, 120);
    await until("all of them", () => receiver.taken.length >= ids.length);
    expect(idsOf(receiver.taken).toSorted()).toEqual(ids.toSorted());
    expect(receiver.got.length).toBeLessThan(60);
    for (const got of receiver.got) expect(got.headers["webhook-signature"]).toBe(signatureOf(got, secret));
  });

  test("a receiver gets what ends once it is there, not what was before", async () => {
    const setup = await setUp({ config: "" });
    stops.push(() => setup.stop());
    setup.upstream.on("m", answers({}));
    await calls(setup, 3);
    expect(setup.gateway.sql("select * from receivers")).toEqual([]);
    expect(setup.gateway.sql("select * from alerts")).toEqual([]);
    expect((await setup.gateway.admin<{ data: unknown[] }>("GET", "/api/outbox")).data).toEqual([]);
  });
});

describe("a hostile receiver", () => {
  test("an answer without end is neither read nor waited for", async () => {
    const { setup, receiver } = await started(usage);
    let [sent, ended] = [0, 0];
    receiver.script((request, response, got) => {
      receiver.taken.push(got.body);
      response.writeHead(200, { "content-type": "text/plain" });
      const piece = Buffer.alloc(64 * 1024, 97);
      const more = () => {
        while (!response.destroyed && sent < 1e10) {
          sent += piece.byteLength;
          if (!response.write(piece)) return void response.once("drain", more);
        }
      };
      request.socket.once("close", () => (ended += 1));
      more();
    });
    const ids = await calls(setup, 2);
    await until("both", () => receiver.taken.length === 2 && ended === 2, { deadlineMs: 15_000 });
    expect(idsOf(receiver.taken).toSorted()).toEqual(ids.toSorted());
    // What sockets and the client buffer, and no gigabytes.
    expect(sent).toBeLessThan(32 * 1024 * 1024);
    await until("delivered", async () => (await stateOf(setup))?.behind === 0);
  }, 30_000);

  test("one that says nothing is left after ten seconds", async () => {
    const { setup, receiver } = await started(usage);
    const times: number[] = [];
    receiver.script((request) => void request.socket.once("close", () => times.push(performance.now())), 200);
    const startMs = performance.now();
    await calls(setup, 1);
    await until("the end of the first", () => times.length > 0, { deadlineMs: 15_000 });
    expect((times[0] ?? 0) - startMs).toBeLessThan(12_000);
    await until("the second", () => receiver.taken.length === 1, { deadlineMs: 15_000 });
  }, 40_000);
});

describe("alerts", () => {
  const budgetOf = ({ gateway, key }: Setup, more: object) =>
    gateway.admin<{ id: string }>("POST", "/api/budgets", {
      scope: { kind: "key", id: key.id },
      window: "lifetime",
      ...more,
    });

  test("200 calls at once over a threshold: one alert each threshold", async () => {
    const { setup, receiver } = await started("[budget.threshold]");
    // 200 calls are 0.204 USD.
    const { id } = await budgetOf(setup, { usd: "0.5", alertPercents: [40, 10, 20] });
    await calls(setup, 200, 200);
    await until("three alerts", () => receiver.taken.length >= 3);
    await calls(setup, 2);
    const data = receiver.taken.map((event) => event.data);
    expect(data.map(({ percent }) => percent)).toEqual(expect.arrayContaining([10, 20, 40]));
    expect(receiver.taken).toHaveLength(3);
    expect(data[0]).toMatchObject({
      budgetId: id,
      limitNano: 500_000_000,
      scope: { kind: "key", id: setup.key.id, name: "test" },
    });
    const { data: listed } = await setup.gateway.admin<{
      data: { id: string; deliveries: { receiver: string; state: string }[] }[];
    }>("GET", "/api/alerts");
    expect(listed).toHaveLength(3);
    for (const { deliveries } of listed) expect(deliveries).toMatchObject([{ receiver: "ops", state: "delivered" }]);
    await invariants(setup);
  }, 30_000);

  test("credit that is nearly used up, and again after the next one", async () => {
    const { setup, receiver } = await started("[credit.low]");
    const credit = (usd: string) => setup.gateway.admin("POST", "/api/ledger/credits", { accountId: "default", usd });
    await credit("0.05");
    await calls(setup, 45, 1);
    await until("the alert", () => receiver.taken.length === 1);
    expect(receiver.taken[0]).toMatchObject({ type: "credit.low", data: { percent: 90, account: { id: "default" } } });
    await credit("0.1");
    await calls(setup, 80, 1);
    expect(receiver.taken).toHaveLength(1);
    await calls(setup, 13, 1);
    await until("the next alert", () => receiver.taken.length === 2);
    const left = receiver.taken.map(({ data }) => Number(data["leftNano"]));
    expect(left).toEqual([4_100_000, 9_240_000]);
  }, 30_000);

  test("a call above its hold, and one whose usage cannot be true: of each target once an hour", async () => {
    const { setup, receiver } = await started("[call.over_hold, call.anomalous]");
    await budgetOf(setup, { usd: 100 });
    setup.upstream.on("m", answers({ promptTokens: 30, completionTokens: 5_000 }));
    await calls(setup, 5);
    await until("the alert", () => receiver.taken.length === 1);
    expect(receiver.taken[0]).toMatchObject({ type: "call.over_hold", data: { provider: "mock", upstreamModel: "m" } });
    setup.upstream.on("odd", answers({ usage: { prompt_tokens: -5, completion_tokens: 3, total_tokens: 1 } }));
    await call(setup.gateway, setup.key.key, chat("mock/odd", { max_tokens: 10 }));
    await until("the other", () => receiver.taken.length === 2);
    expect(receiver.taken[1]).toMatchObject({ type: "call.anomalous", data: { upstreamModel: "odd" } });
  }, 30_000);

  test("one that waits for its receiver outlives a kill", async () => {
    const { setup, receiver } = await started("[budget.threshold]");
    receiver.script(500);
    await budgetOf(setup, { usd: "0.01", alertPercents: [5] });
    await calls(setup, 1);
    await until("a failure", () => receiver.got.length > 0);
    await setup.gateway.kill();
    receiver.script(200);
    await setup.gateway.start();
    await until("the alert", () => receiver.taken.length === 1);
    expect(new Set(receiver.got.map(({ body }) => body.id)).size).toBe(1);
  }, 30_000);

  test("an alert goes to a channel and by mail as well", async () => {
    const [channel, mail] = [await WebhookReceiver.start(), await MailServer.start()];
    stops.push(
      () => channel.stop(),
      () => mail.stop(),
    );
    const config = [
      "observer:",
      `  slack: { url: "${channel.url}" }`,
      `  mail: { use: smtp, host: 127.0.0.1, port: ${mail.port}, tls: none, user: proxy, password: a-password-canary, from: a@example.com, to: b@example.com }`,
    ];
    const setup = await setUp({ config: config.join("\n") });
    stops.push(() => setup.stop());
    for (const canary of ["hook-canary", "a-password-canary"]) setup.gateway.secrets.add(canary);
    setup.upstream.on("m", answers({ promptTokens: 1_000, completionTokens: 10 }));
    await budgetOf(setup, { usd: "0.01", alertPercents: [5] });
    await calls(setup, 1);
    const line = "Budget of key test: 5 % of $0.01 (lifetime) is spent, $0.00102 so far.";
    await until("both", () => channel.got.length === 1 && mail.mails.length === 1);
    expect(channel.got[0]?.body.text).toBe(line);
    expect(mail.mails[0]?.text.replaceAll("=\n", "")).toContain(line);
    await invariants(setup);
  }, 30_000);

  test("by hand: a test, what is tried at once, and a receiver that is not there", async () => {
    const { setup, receiver } = await started("[budget.threshold]");
    const { gateway } = setup;
    expect(await gateway.admin<object>("POST", "/api/outbox/ops/test")).toEqual({
      receiver: "ops",
      delivered: true,
      error: null,
    });
    expect(receiver.taken[0]).toMatchObject({ type: "test" });
    receiver.script(500);
    expect(await gateway.admin<object>("POST", "/api/outbox/ops/test")).toEqual({
      receiver: "ops",
      delivered: false,
      error: "HTTP 500",
    });
    await receiver.stop();
    const refused = await gateway.admin<{ error: string }>("POST", "/api/outbox/ops/test");
    expect(refused.error).toMatch(/^(ECONN|Connection)/);
    for (const path of ["test", "retry", "dead/x/retry"])
      expect(gateway.admin("POST", `/api/outbox/nobody/${path}`)).rejects.toThrow("404");
    const metrics = await gateway.get("/metrics", { authorization: `Bearer ${gateway.adminToken}` });
    expect(await metrics?.text()).toContain('llm_proxy_outbox_failures_total{receiver="ops"} 2\n');
    await invariants(setup);
  }, 30_000);
});
