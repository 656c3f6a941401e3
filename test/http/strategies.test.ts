import { afterAll, afterEach, expect, test } from "bun:test";
import { call, chat } from "../support/clients.ts";
import { invariants } from "../support/invariants.ts";
import { answers } from "../support/openai-answers.ts";
import { gate, until } from "../support/poll.ts";
import { setUp } from "../support/setup.ts";

/** Where calls of an alias go, as a client sees it in `x-llm-proxy-model`. */

const two = (name: string) => `[mock/${name}-1, mock/${name}-2]`;
const setup = await setUp({
  config: [
    "  - { target: echo/echo, input: 9, output: 9 }",
    "models:",
    `  busy: { strategy: least-busy, targets: ${two("busy")} }`,
    `  quick: { strategy: lowest-latency, targets: ${two("quick")} }`,
    "  cheap: { strategy: cheapest, targets: [echo/echo, mock/cheap] }",
    `  same: { strategy: sticky, targets: ${two("same")} }`,
    "  canary: { strategy: sticky, targets: [{ target: mock/same-1, weight: 95 }, { target: mock/same-2, weight: 5 }] }",
  ].join("\n"),
});
const { gateway, upstream, key } = setup;
afterEach(() => invariants(setup));
afterAll(() => setup.stop());

for (const model of ["busy-1", "busy-2", "quick-1", "quick-2", "cheap", "same-1", "same-2"])
  upstream.on(model, answers());
const targetOf = async (model: string, more: Readonly<Record<string, unknown>> = {}) => {
  const { status, headers } = await call(gateway, key.key, chat(model, more));
  expect(status).toBe(200);
  return headers.get("x-llm-proxy-model") ?? "";
};

test("least-busy leaves alone the target that calls hang on, streams to their end", async () => {
  const release = gate();
  upstream.on("busy-1", async (exchange) => {
    await release.opened;
    await answers()(exchange);
  });
  const hanging: Promise<string>[] = [];
  let answered = 0;
  await until("one hangs", () => {
    hanging.push(targetOf("busy").finally(() => answered++));
    return upstream.requestsFor("busy-1").length > 0;
  });
  // One that has not even arrived counts: with it in flight both targets are as busy.
  await until("the others have ended", () => answered + upstream.requestsFor("busy-1").length === hanging.length);
  for (let at = 0; at < 20; at++) expect(await targetOf("busy")).toBe("busy-2");
  release.open();
  await Promise.all(hanging);
  upstream.on("busy-1", answers());
  const seen = new Set<string>();
  await until("both are asked again", async () => seen.add(await targetOf("busy")).size === 2);
});

test("lowest-latency asks the quicker one", async () => {
  upstream.on("quick-1", async (exchange) => {
    await new Promise((resolve) => setTimeout(resolve, 150));
    await answers()(exchange);
  });
  await until("the slow one was tried", async () => (await targetOf("quick")) === "quick-1");
  const seen = [];
  for (let at = 0; at < 20; at++) seen.push(await targetOf("quick"));
  expect(seen.filter((model) => model === "quick-2").length).toBeGreaterThanOrEqual(17);
});

test("cheapest asks the one with the lower price", async () => {
  for (let at = 0; at < 5; at++) expect(await targetOf("cheap")).toBe("cheap");
});

test("sticky keeps a conversation at its target, and conversations are shared out", async () => {
  const counts = new Map<string, number>();
  for (let at = 0; at < 40; at++) {
    const model = await targetOf("same", { prompt_cache_key: `conversation-${at}` });
    expect(await targetOf("same", { prompt_cache_key: `conversation-${at}`, temperature: 0 })).toBe(model);
    counts.set(model, (counts.get(model) ?? 0) + 1);
  }
  expect(Math.min(...counts.values())).toBeGreaterThan(5);
  expect(counts.size).toBe(2);
});

test("a canary is a sticky share", async () => {
  let canary = 0;
  for (let at = 0; at < 100; at++)
    if ((await targetOf("canary", { prompt_cache_key: `person-${at}` })) === "same-2") canary += 1;
  expect(canary).toBeWithin(0, 20);
});
