import { afterAll, expect, test } from "bun:test";
import { call, type Reply } from "../support/clients.ts";
import { runCommand } from "../support/command.ts";
import { seeded } from "../support/random.ts";
import { allBudgets, allUsage } from "../support/rows.ts";
import { json, sse } from "../support/scripts.ts";
import { startGateway } from "../support/process.ts";
import { type Exchange, startUpstream } from "../support/upstream.ts";
import { agentRequests } from "../support/wire.ts";

/**
 * Claude Code as it was recorded, again and again on one small budget, at the prices of the bundled book: its caps are
 * 64,000 tokens and its tools 80 KB, so that what a call may cost is a hundred times what it does cost.
 */
const upstream = await startUpstream();
const gateway = await startGateway({
  config: `provider:\n  anthropic: { baseUrl: "${new URL(upstream.baseUrl).origin}", apiKey: sk-upstream }\n`,
});
afterAll(async () => {
  await gateway.dispose();
  await upstream.stop();
});
const random = seeded("the session");

/** About what Anthropic counts for this mixture of prose and schemas. */
const bytesPerToken = 3.5;
const limitNano = 5_000_000_000;

const isCount = ({ request }: Exchange): boolean => request.start.includes("/count_tokens");
const tokensOf = ({ request }: Exchange): number => Math.ceil(request.body.length / bytesPerToken);

/** All but the newest words are read from the cache, as in a session that goes on. */
function answerTo(exchange: Exchange) {
  const input = tokensOf(exchange);
  if (isCount(exchange)) return json(200, { input_tokens: input })(exchange);
  const cap = Number(exchange.json["max_tokens"]);
  const fresh = Math.min(input, 40);
  const written = Math.min(input - fresh, 700);
  const usage = {
    input_tokens: fresh,
    cache_creation_input_tokens: written,
    cache_read_input_tokens: input - fresh - written,
  };
  const output = Math.min(cap, 60 + random.below(900));
  exchange.upstreamId = `msg_${crypto.randomUUID()}`;
  const start = {
    id: exchange.upstreamId,
    type: "message",
    role: "assistant",
    model: exchange.model,
    content: [],
    stop_reason: null,
    stop_sequence: null,
    usage: { ...usage, output_tokens: 1 },
  };
  const events = [
    { type: "message_start", message: start },
    { type: "content_block_start", index: 0, content_block: { type: "text", text: "" } },
    { type: "content_block_delta", index: 0, delta: { type: "text_delta", text: "word ".repeat(output) } },
    { type: "content_block_stop", index: 0 },
    {
      type: "message_delta",
      delta: { stop_reason: "end_turn", stop_sequence: null },
      usage: { output_tokens: output },
    },
    { type: "message_stop" },
  ];
  return sse(events.map((event) => `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`).join(""))(exchange);
}

const sessions = ["claude-opus-4-8", "claude-haiku-4-5-20251001"] as const;
test.each(sessions)(
  "a session of %s spends a budget of 5 dollars to its last twentieth, and never more",
  async (model) => {
    const turns = agentRequests().filter(
      ({ id, request }) => id.startsWith("claude--") && request.body?.["model"] === model,
    );
    if (turns.length === 0) return;
    upstream.on(model, answerTo);
    const { key, id } = await gateway.createKey({ budget: { usd: 5, window: "lifetime" } });
    let last: Reply | null = null;
    let asked = 0;
    for (; asked < 5_000 && (last === null || last.status === 200); asked++) {
      const { request } = turns[asked % turns.length] ?? {};
      const body = { ...request?.body, model: `anthropic/${model}` };
      last = await call(gateway, key, body, { path: request?.path ?? "", headers: betas(request?.headers) });
    }
    const [budget] = allBudgets(gateway).filter(({ scope_id }) => scope_id === id);
    const spent = budget?.spent_nano ?? 0;
    const rows = allUsage(gateway).filter(({ key_id, status }) => key_id === id && status === "ok");
    const counted = upstream.log.filter(isCount).length;
    console.log(
      `${model}: ${rows.length} calls, ${((100 * (limitNano - spent)) / limitNano).toFixed(2)} % left; ` +
        `${counted} counts of tokens; the last: ${last?.status} ${last?.text.slice(0, 300)}`,
    );
    expect(last?.status).toBe(402);
    expect(rows.length).toBe(asked - 1);
    expect(spent).toBeLessThanOrEqual(limitNano);
    expect(limitNano - spent).toBeLessThanOrEqual(limitNano / 20);
    expect(budget?.held_nano).toBe(0);
  },
  120_000,
);

test("and the ledger proves", async () => {
  const { code, stdout } = await runCommand(gateway, ["doctor", "--json"]);
  expect({ code, stdout: code === 0 ? "" : stdout }).toEqual({ code: 0, stdout: "" });
});

const betas = (headers: Readonly<Record<string, string>> = {}): Record<string, string> =>
  Object.fromEntries(Object.entries(headers).filter(([name]) => name.startsWith("anthropic-")));
