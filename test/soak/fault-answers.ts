import type { DialectName } from "../../core/dialects/dialect.ts";
import { randomOf } from "../support/random.ts";
import { json } from "../support/scripts.ts";
import type { Exchange, Script } from "../support/upstream.ts";
import { type Seen, textOf } from "./fault-calls.ts";
import { act, type Plan, planOf } from "./fault-scripts.ts";

export interface Answering {
  readonly seed: number;
  /** Whether an answer to that call may be other than a good one. */
  readonly mayFail: (id: number) => boolean;
  /** Whether what it says of its usage may be nonsense. */
  readonly mayLie: (id: number) => boolean;
  /** Of an answer that was sent to its end. */
  readonly onWhole?: (exchange: Exchange, sent: { readonly id: number; readonly upstreamId: string }) => void;
}

/** Answers each request of the clients of `fault-calls.ts` by the seed and the call that its words name. */
export const answering =
  (seen: Seen, { seed, mayFail, mayLie, onWhole }: Answering): Script =>
  async (exchange) => {
    if (isCount(exchange)) return count(exchange, randomOf(seed + seen.counted++).below(4));
    const id = Number.parseInt(/~([0-9a-z]{4})/.exec(exchange.request.body.toString("utf8"))?.[1] ?? "", 36);
    const attempt = (seen.requests[id] = (seen.requests[id] ?? 0) + 1) - 1;
    const plan = mayFail(id) ? planOf(seed, id, attempt, mayLie(id)) : good;
    seen.kinds.set(plan.kind, (seen.kinds.get(plan.kind) ?? 0) + 1);
    const turn = { text: textOf(id), usage: { input: 100, cached: 40, output: 30 } };
    const upstreamId = `up-${id}-${attempt}`;
    const answered = { dialect: dialectOf(exchange), stream: isStream(exchange), turn, id: upstreamId };
    const isSent = await act(exchange, plan, answered);
    if (isSent !== "no") seen.whole.add(id);
    if (isSent === "yes") onWhole?.(exchange, { id, upstreamId });
  };

const good: Plan = { kind: "good", at: 0, ms: 0, pick: 0 };

function dialectOf({ request: { start } }: Exchange): DialectName {
  if (start.includes("/models/")) return "gemini";
  if (start.includes("/messages")) return "anthropic-messages";
  return start.includes("/responses") ? "openai-responses" : "openai-chat";
}
const isCount = ({ request: { start } }: Exchange): boolean => /count_?tokens|input_tokens/i.test(start);
const count = (exchange: Exchange, pick: number): void | Promise<void> => {
  if (pick === 0) return exchange.reset();
  if (pick === 1) return exchange.over;
  const tokens = { input_tokens: 60, totalTokens: 60, object: "response.input_tokens" };
  return json(pick === 2 ? 200 : 500, tokens)(exchange);
};
const isStream = (exchange: Exchange): boolean =>
  exchange.request.start.includes(":streamGenerateContent") || exchange.json["stream"] === true;
