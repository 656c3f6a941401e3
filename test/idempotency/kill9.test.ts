import { afterAll, afterEach, beforeAll, expect, test } from "bun:test";
import { chat, errorOf } from "../support/clients.ts";
import { invariants } from "../support/invariants.ts";
import { answers } from "../support/openai-answers.ts";
import { gate, until } from "../support/poll.ts";
import { allUsage, openCalls } from "../support/rows.ts";
import { type Setup, setUp } from "../support/setup.ts";
import { canary, codeOf, isReplay, newKey, newModel, send } from "./calls.ts";

let setup: Setup;
beforeAll(async () => {
  setup = await setUp();
  setup.gateway.secrets.add(canary);
});
afterAll(() => setup.stop());
afterEach(() => invariants(setup, { killed: true }));

test("in the middle of the first call: the key says so, and is not charged for again", async () => {
  const held = gate();
  const { model, sent } = newModel(setup, async (exchange) => {
    await Promise.race([held.opened, exchange.over]);
    if (!exchange.abandoned) await answers()(exchange);
  });
  const idempotencyKey = newKey();
  const cut = send(setup, chat(model), idempotencyKey).catch(() => null);
  await until("it is upstream", () => sent() === 1);
  const done = await send(setup, chat(newModel(setup, answers()).model), newKey());
  expect(done.status).toBe(200);
  await setup.gateway.kill();
  await cut;
  held.open();
  await setup.gateway.start();
  const again = await send(setup, chat(model), idempotencyKey);
  expect([...codeOf(again), sent()]).toEqual([409, "idempotency_answer_gone", 1]);
  const interrupted = allUsage(setup.gateway).find((row) => row.model === model);
  expect(interrupted?.status).toBe("interrupted");
  expect(errorOf(again.text).message).toContain(interrupted?.call_id ?? "?");
  expect((await send(setup, chat(model), newKey())).status).toBe(200);
});

test("right after an answer: it is replayed", async () => {
  const { model, sent } = newModel(setup, answers());
  for (const stream of [false, true]) {
    const idempotencyKey = newKey();
    const first = await send(setup, chat(model, { stream }), idempotencyKey);
    await setup.gateway.kill();
    await setup.gateway.start();
    const second = await send(setup, chat(model, { stream }), idempotencyKey);
    expect([second.status, isReplay(second), second.text]).toEqual([200, true, first.text]);
  }
  expect(sent()).toBe(2);
});

test("with twenty waiting, again and again: never two requests for one answer", async () => {
  const { model, sent } = newModel(setup, answers());
  for (let round = 0; round < 3; round++) {
    const idempotencyKey = newKey();
    const before = sent();
    const racing = Array.from({ length: 20 }, () => send(setup, chat(model), idempotencyKey).catch(() => null));
    await until("one is upstream", () => sent() > before);
    await setup.gateway.kill();
    await Promise.all(racing);
    await setup.gateway.start();
    const after = await send(setup, chat(model), idempotencyKey);
    expect([200, 409]).toContain(after.status);
    if (after.status === 200) expect(isReplay(after)).toBe(true);
    expect(sent()).toBe(before + 1);
  }
  expect(openCalls(setup.gateway)).toBe(0);
});
