import { afterAll, expect, test } from "bun:test";
import { call, type Reply } from "../support/clients.ts";
import { runCommand } from "../support/command.ts";
import { seeded } from "../support/random.ts";
import { allBudgets, allUsage } from "../support/rows.ts";
import { answers } from "../support/openai-answers.ts";
import { startGateway } from "../support/process.ts";
import { startUpstream } from "../support/upstream.ts";
import { agentRequests } from "../support/wire.ts";

/**
 * opencode as it was recorded, again and again on one small budget, at OpenAI's prices of the bundled book: OpenAI's chat has
 * nothing that counts tokens, so the proxy counts by itself when the bytes do not fit any more.
 */
const upstream = await startUpstream();
const gateway = await startGateway({
  config: `provider:\n  openai: { baseUrl: "${upstream.baseUrl}", apiKey: sk-upstream }\n`,
});
afterAll(async () => {
  await gateway.dispose();
  await upstream.stop();
});
const random = seeded("the session");

/** About what OpenAI counts for this mixture of prose and schemas. */
const bytesPerToken = 4.2;
const limitNano = 5_000_000_000;

test("a session on OpenAI's chat spends a budget of 5 dollars to the last half percent, and never more", async () => {
  const turns = agentRequests().filter(({ id }) => id.startsWith("opencode--pchat"));
  if (turns.length === 0) return;
  upstream.on("gpt-5", async (exchange) => {
    const promptTokens = Math.ceil(exchange.request.body.length / bytesPerToken);
    const cap = Number(exchange.json["max_tokens"] ?? exchange.json["max_completion_tokens"]);
    await answers({ promptTokens, completionTokens: Math.min(cap, 60 + random.below(900)) })(exchange);
  });
  const { key, id } = await gateway.createKey({ budget: { usd: 5, window: "lifetime" } });
  let last: Reply | null = null;
  let asked = 0;
  for (; asked < 5_000 && (last === null || last.status === 200); asked++) {
    const { request } = turns[asked % turns.length] ?? {};
    last = await call(gateway, key, { ...request?.body, model: "openai/gpt-5" });
  }
  const [budget] = allBudgets(gateway).filter(({ scope_id }) => scope_id === id);
  const spent = budget?.spent_nano ?? 0;
  const rows = allUsage(gateway).filter(({ key_id, status }) => key_id === id && status === "ok");
  console.log(
    `gpt-5: ${rows.length} calls, ${((100 * (limitNano - spent)) / limitNano).toFixed(2)} % left; ` +
      `the last: ${last?.status} ${last?.text.slice(0, 300)}`,
  );
  expect(last?.status).toBe(402);
  expect(rows.length).toBe(asked - 1);
  expect(spent).toBeLessThanOrEqual(limitNano);
  expect(limitNano - spent).toBeLessThanOrEqual(limitNano / 200);
  expect(budget?.held_nano).toBe(0);
}, 120_000);

test("and the ledger proves", async () => {
  const { code, stdout } = await runCommand(gateway, ["doctor", "--json"]);
  expect({ code, stdout: code === 0 ? "" : stdout }).toEqual({ code: 0, stdout: "" });
});
