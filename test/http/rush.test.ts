import { afterAll, expect, test } from "bun:test";
import { call, chat, errorOf } from "../support/clients.ts";
import { invariants } from "../support/invariants.ts";
import { answers } from "../support/openai-answers.ts";
import { gate, until } from "../support/poll.ts";
import { allUsage, openCalls } from "../support/rows.ts";
import { setUp } from "../support/setup.ts";

/** More calls at once than may run. */
const maxCalls = 20;
const setup = await setUp({ config: `server: { overload: { maxCalls: ${maxCalls}, maxLoopLagMs: 60000 } }` });
afterAll(setup.stop);
const { gateway, upstream, key } = setup;

test("a burst is taken up to the cap, what is beyond gets 503 at once, and afterwards all is as before", async () => {
  const end = gate();
  upstream.on("slow", async (exchange) => {
    await end.opened;
    await answers()(exchange);
  });
  const refused: number[] = [];
  const startedMs = performance.now();
  const calls = Array.from({ length: 300 }, async (_, at) => {
    const reply = await call(gateway, key.key, chat("mock/slow", { stream: at % 2 === 1 }));
    if (reply.status === 503) refused.push(performance.now() - startedMs);
    return reply;
  });
  await until("all but those that run are answered", () => refused.length === calls.length - maxCalls);
  await until("those that run are upstream", () => upstream.open === maxCalls);
  expect(openCalls(gateway)).toBe(maxCalls);
  console.log(`${refused.length} refusals, the last after ${Math.max(...refused).toFixed(0)} ms`);
  end.open();

  const replies = await Promise.all(calls);
  expect(replies.filter(({ status }) => status === 200)).toHaveLength(maxCalls);
  for (const { status, headers, text } of replies) {
    if (status === 200) continue;
    expect(status).toBe(503);
    expect(headers.get("retry-after")).toBe("2");
    expect(errorOf(text).code).toBe("overloaded");
  }
  expect((await call(gateway, key.key, chat("mock/slow"))).status).toBe(200);
  // Shed before anybody asked who calls: no row.
  expect(allUsage(gateway)).toHaveLength(maxCalls + 1);
  await invariants(setup);
});
