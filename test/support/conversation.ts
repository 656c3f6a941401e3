import type { DialectName } from "../../core/dialects/dialect.ts";
import { json, sse } from "./scripts.ts";
import { spokenStream, spokenWhole, type Turn } from "./spoken.ts";
import { toldIn } from "./told.ts";
import type { Script } from "./upstream.ts";

/** Two rounds of tools, thinking in each, then the answer. */
export const turns: readonly Turn[] = [
  {
    thinking: { text: "Two things to look up.", signature: "c2lnbmF0dXJlLTE=" },
    text: "Let me see.",
    calls: [
      { id: "call_weather_1", name: "get_weather", args: { city: "Rome", days: [1, 2], note: 'a "quoted" 世界' } },
      { id: "call_time_1", name: "get_time", args: { zone: "Europe/Rome" } },
    ],
    usage: { input: 101, cached: 40, output: 31, thinking: 11 },
  },
  {
    thinking: { text: "One more.", signature: "c2lnbmF0dXJlLTI=" },
    calls: [{ id: "call_weather_2", name: "get_weather", args: { city: "Oslo" } }],
    usage: { input: 202, cached: 90, output: 22, thinking: 5 },
  },
  { text: "It is 22 degrees in Rome at noon, and 5 degrees in Oslo.", usage: { input: 303, output: 13 } },
];

/** What the client's tools answer. */
export const toolAnswer = (name: string, args: unknown): string => {
  const city = typeof args === "object" && args !== null && "city" in args ? args.city : null;
  if (name === "get_time") return "noon";
  return city === "Oslo" ? "5 degrees" : "22 degrees";
};

/** A provider that has this conversation: how many tool results it hears says which turn is next. */
export const converses =
  (dialect: DialectName): Script =>
  async (exchange) => {
    if (exchange.json["thread"] !== undefined) return json(400, unthreaded)(exchange);
    const { results } = toldIn(dialect, exchange.json);
    const at = turns.findIndex((_, n) => callsBefore(n) === results.length);
    const turn = turns[at];
    if (!turn) return json(400, { error: { message: `${results.length} tool results fit no turn` } })(exchange);
    const isStream = exchange.json["stream"] === true || exchange.request.start.includes(":streamGenerateContent");
    return isStream ? sse(spokenStream(dialect, turn))(exchange) : json(200, spokenWhole(dialect, turn))(exchange);
  };

/** Anthropic's answer where it cannot store a conversation; its tool runner goes on without. */
const unthreaded = {
  type: "error",
  error: {
    type: "invalid_request_error",
    message: "thread: not supported here",
    details: { error_code: "thread_unsupported_request", unsupported: ["thread"] },
  },
};

const callsBefore = (n: number): number => turns.slice(0, n).reduce((sum, { calls = [] }) => sum + calls.length, 0);
