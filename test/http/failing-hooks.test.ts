import { afterAll, afterEach, describe, expect, test } from "bun:test";
import { writeFileSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { call, chat, errorOf } from "../support/clients.ts";
import { invariants } from "../support/invariants.ts";
import { answers } from "../support/openai-answers.ts";
import { allUsage, usageOf } from "../support/rows.ts";
import { setUp } from "../support/setup.ts";
import { operatorSession, page } from "../support/visits.ts";

/** Hooks that throw, reject, hang or return nonsense: what must be checked is refused, what was taken is given back. */

const places = 6;
const file = join(import.meta.dir, "..", "fixtures", "plugins", "failing.ts");
const setup = await setUp({
  config: [
    `auth: { failing: { use: "${file}" }, api-key: {} }`,
    `rate-limit: { token-bucket: {}, failing: { use: "${file}" } }`,
    `billing: { failing: { use: "${file}" } }`,
  ].join("\n"),
  key: { name: "few", limits: { concurrency: places }, budget: { usd: 1, window: "day" } },
});
const { gateway, upstream, key } = setup;
// The address of the upstream is known once it listens; the file is read again with it.
const config = join(gateway.directory, "llm-proxy.yaml");
writeFileSync(
  config,
  readFileSync(config, "utf8").replace(
    "provider:\n",
    `provider:\n  mock-failing: { use: "${file}", baseUrl: "${upstream.baseUrl}" }\n`,
  ),
);
await gateway.restart();
afterEach(async () => {
  expect(gateway.running).toBe(true);
  await invariants(setup);
});
afterAll(setup.stop);

async function ask(name: string, headers: Readonly<Record<string, string>> = {}) {
  upstream.on(name, answers());
  return call(gateway, key.key, chat(`mock-failing/${name}`), { headers });
}
/** All places of the key are free: none was kept by a call that failed. */
async function allFree(): Promise<void> {
  const replies = await Promise.all(Array.from({ length: places }, () => ask("well")));
  expect(replies.map(({ status }) => status)).toEqual(replies.map(() => 200));
}

describe("closed", () => {
  const hooks = ["acquire", "authorize", "request"].flatMap((hook) =>
    ["throws", "rejects", "nothing", "null", "text", "number"].map((how) => `${hook}-${how}`),
  );
  const unsendable = ["headers-are-null", "headers-are-class", "headers-are-list", "headers-are-unset", "url-is-file"];
  test("a limit, a credit or a provider that fails refuses the call, and gives back what was taken", async () => {
    for (const name of [...hooks, "rate-throws", "rate-nothing", "rate-nan", ...unsendable]) {
      const before = upstream.log.length;
      const reply = await ask(name);
      expect([name, reply.status]).toEqual([name, 503]);
      expect(errorOf(reply.text).message).not.toMatch(/inside|failing|undefined|null/);
      expect(upstream.log.length).toBe(before);
    }
    for (const how of ["throws", "rejects"])
      expect(gateway.log()).toContain(`inside ${how === "throws" ? "acquire" : "authorize"}`);
    expect(gateway.log()).toContain('"plugin":"rate-limit/failing"');
    await allFree();
  });

  test("one that refuses, and tells of it what nobody can read, refuses all the same", async () => {
    for (const hook of ["acquire", "authorize", "request"])
      for (const how of ["refuses", "miscounts", "cycles"]) {
        const before = allUsage(gateway).length;
        const name = `${hook}-${how}`;
        const { status, headers, text } = await ask(name);
        const { message, code } = errorOf(text);
        expect([name, status, message, code]).toEqual([name, 429, "not now", "rate_limit_exceeded"]);
        expect([name, headers.get("retry-after")]).toEqual([name, null]);
        expect([name, allUsage(gateway).length]).toEqual([name, before + 1]);
      }
    await allFree();
  });

  test("one that refuses for a reason that there is none has failed", async () => {
    for (const hook of ["acquire", "authorize", "request"]) {
      const before = allUsage(gateway).length;
      expect([hook, (await ask(`${hook}-misspells`)).status]).toEqual([hook, 503]);
      expect([hook, allUsage(gateway).length]).toEqual([hook, before + 1]);
    }
    await allFree();
  });

  test("what asks who calls lets nobody in when it fails", async () => {
    const before = allUsage(gateway).length;
    for (const how of ["throws", "rejects", "misspells", "text", "number", "list", "object", "true"]) {
      const { status } = await ask("well", { "x-fail": `auth-${how}` });
      expect([how, [401, 503].includes(status)]).toEqual([how, true]);
    }
    // Whoever says nothing has not known the credential: neither does the next one.
    for (const how of ["nothing", "null"]) {
      const headers = { "x-fail": `auth-${how}` };
      const { status } = await call(gateway, "sk-llmp-of-nobody", chat("mock-failing/well"), { headers });
      expect([how, [401, 503].includes(status)]).toEqual([how, true]);
    }
    expect(allUsage(gateway).length).toBe(before);
  });

  test("one that hangs is let go after 5 s, in each hook", async () => {
    const startMs = performance.now();
    const hanging = ["acquire-hangs", "authorize-hangs", "request-hangs", "authorize-throws+release-hangs"];
    const replies = await Promise.all([
      ...hanging.map((name) => ask(name)),
      ask("well", { "x-fail": "auth-hangs" }),
      // The answer is there, and is the client's: only its end is waited for.
      ask("settle-hangs"),
    ]);
    expect(replies.map(({ status }) => status)).toEqual([503, 503, 503, 503, 503, 200]);
    expect(performance.now() - startMs).toBeLessThan(9_000);
    await allFree();
  }, 20_000);
});

function recorded() {
  const rows = allUsage(gateway);
  return { all: rows.length, ok: rows.filter(({ status }) => status === "ok").length };
}
const tellings =
  "text number true object nulls numbers remaining measure scopeless bigint timeless never names throws".split(" ");
test.each(["headers", "use", "spared"])(
  "whatever a limit tells in `%s`, the call that it let pass is served, recorded and given back",
  async (field) => {
    for (const what of tellings) {
      const name = `${field}-tells-${what}`;
      const before = recorded();
      const replies = [await ask(name), await call(gateway, key.key, chat(`mock-failing/${name}`, { stream: true }))];
      expect([name, ...replies.map(({ status }) => status)]).toEqual([name, 200, 200]);
      expect([name, recorded()]).toEqual([name, { all: before.all + 2, ok: before.ok + 2 }]);
    }
    await allFree();
    const said = gateway
      .log()
      .split("\n")
      .filter((line) => line.includes(`"field":"${field}"`));
    expect(said).toEqual([expect.stringContaining('"plugin":"rate-limit/failing"')]);
  },
);

const itemised = "nothing null text cyclic bigint nan priceless nameless tier method"
  .split(" ")
  .map((what) => `lines-rates-${what}`)
  .concat("terms-rates-cyclic", "terms-rates-terms", "terms-rates-version", "terms-rates-null");
test("a rating that cannot be kept refuses the call, and leaves one that has ended without a price", async () => {
  for (const name of itemised) {
    const before = recorded();
    const replies = [await ask(name), await ask(`end-${name}`)];
    expect([name, ...replies.map(({ status }) => status)]).toEqual([name, 503, 200]);
    expect([name, recorded()]).toEqual([name, { all: before.all + 2, ok: before.ok + 1 }]);
    expect([name, usageOf(gateway, replies[1]?.callId ?? "")]).toMatchObject([name, { cost_nano: null }]);
  }
  await allFree();
});

test("what fails after the answer changes nothing of it, and what fails while it gives back keeps nothing", async () => {
  for (const name of [
    "settle-throws",
    "settle-rejects",
    "acquire-nothing+release-throws",
    "authorize-throws+release-rejects",
  ]) {
    const { status } = await ask(name);
    expect([name, status]).toEqual([name, name.startsWith("settle") ? 200 : 503]);
  }
  await allFree();
});

test("what a biller cannot tell of its prices and models takes nobody's list or page of them away", async () => {
  expect((await ask("rate-throws")).status).toBe(503);
  const listed = async (path: string) =>
    (await gateway.admin<{ data: { id?: string; model?: string }[] }>("GET", path)).data;
  expect(await listed("/api/prices")).toEqual([]);
  expect((await listed("/api/models?search=throws")).map(({ id }) => id)).toEqual([
    "mock-failing/facts-throws",
    "mock-failing/rate-throws",
  ]);
  expect((await listed("/api/prices/unpriced")).map(({ model }) => model)).toContain("rate-throws");
  const { cookie } = await operatorSession(gateway);
  for (const path of ["/dashboard/prices", "/dashboard/prices/models", "/dashboard/prices/unpriced"])
    expect([path, (await page(gateway, path, cookie)).status]).toEqual([path, 200]);
  expect(gateway.log()).toMatch(/"failing\W.*prices\(\) failed: inside prices/);
});
