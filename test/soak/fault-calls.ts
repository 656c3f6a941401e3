import { setTimeout as pause } from "node:timers/promises";
import type { DialectName } from "../../core/dialects/dialect.ts";
import { dialects } from "../../core/dialects/index.ts";
import { call, type Reply } from "../support/clients.ts";
import { endOf, endsIn, eventsOf, messageOf } from "../support/dialect-calls.ts";
import type { CreatedKey } from "../support/process.ts";
import { randomOf } from "../support/random.ts";
import type { Setup } from "../support/setup.ts";
import type { Exchange } from "../support/upstream.ts";
import type { Kind } from "./fault-scripts.ts";

/** The clients of the soak of faults, and what they look at. */

export const spoken = [...dialects.keys()];
/** Of a text, one to a piece of a stream. */
const words = 12;

/** What the clients and the upstream have seen. */
export class Seen {
  /** Requests upstream by call. */
  readonly requests: Record<number, number> = {};
  /** Answers sent to their end. */
  readonly sent = new Map<Exchange, { readonly id: number; readonly upstreamId: string }>();
  /** Calls whose client saw a good end. */
  readonly good = new Set<number>();
  /** Calls of which the upstream has told all of an answer. */
  readonly whole = new Set<number>();
  /** Calls whose client left. */
  readonly left = new Set<number>();
  /** Requests that only count an input: no attempts. */
  counted = 0;
  readonly kinds = new Map<Kind, number>();
  readonly statuses = new Map<number, number>();
  /** By our id of the call: whether the client saw a good end. */
  readonly ends = new Map<string, boolean>();
  readonly broken: string[] = [];

  wrong(what: string): void {
    if (this.broken.length < 10) this.broken.push(what);
  }
}

interface Asking {
  readonly seed: number;
  readonly id: number;
  readonly keyOf: (id: number) => CreatedKey;
  readonly stays?: boolean;
}

/** One call, and whether its answer was good. */
export async function ask(
  { gateway }: Setup,
  seen: Seen,
  { seed, id, keyOf, stays = false }: Asking,
): Promise<boolean> {
  const random = randomOf(seed ^ Math.imul(id + 1, 97));
  const dialect = spoken[random.below(spoken.length)] ?? "openai-chat";
  const stream = random.below(3) > 0;
  const model = models[random.below(models.length)] ?? "falls";
  const leaving = new AbortController();
  if (!stays && random.below(10) === 0) {
    seen.left.add(id);
    void pause(random.below(120)).then(() => leaving.abort());
  }
  const { path, body } = requests[dialect](model, `Say ~${nameOf(id)}.`, stream);
  let reply: Reply;
  try {
    reply = await call(gateway, keyOf(id).key, body, { path, signal: leaving.signal });
  } catch {
    if (!seen.left.has(id)) seen.wrong(`call ${id}: no answer came`);
    return false;
  }
  seen.statuses.set(reply.status, (seen.statuses.get(reply.status) ?? 0) + 1);
  if (seen.left.has(id)) return false;
  let isGood = false;
  try {
    const legible = stream && reply.status === 200 ? legibleIn(reply.text) : null;
    isGood = reply.status === 200 && (legible === null || isWholeIn(dialect, legible));
    for (const fault of faultsIn(dialect, legible, id, reply)) seen.wrong(`call ${id} (${reply.callId}): ${fault}`);
  } catch (error) {
    seen.wrong(`call ${id} (${reply.callId}): ${String(error)}: …${reply.text.slice(-300)}`);
  }
  seen.ends.set(reply.callId, isGood);
  if (isGood) seen.good.add(id);
  return isGood;
}

/** What no client may see, whatever happened upstream. `legible`: of a stream. */
function faultsIn(
  dialect: DialectName,
  legible: string | null,
  id: number,
  { status, text, complete }: Reply,
): string[] {
  const found: string[] = [];
  const own = `~${nameOf(id)}`;
  if (!complete) found.push("the answer was cut");
  if (!expected.has(status)) found.push(`status ${status}`);
  if (/127\.0\.0\.1|sk-upstream|ECONN|at \/|poke/.test(text))
    found.push(`it tells of the inside: ${text.slice(0, 200)}`);
  if (text.match(/~[0-9a-z]{4}/g)?.some((word) => word !== own))
    found.push(`it has words of another call: ${text.slice(0, 1_500)}`);
  if (status !== 200) {
    messageOf(dialect, text);
    return found;
  }
  if (legible === null) {
    const told = text.split(own).length - 1;
    return told === words ? found : [...found, `${told} words of ${words}: ${text.slice(0, 500)}`];
  }
  const ends = isUnsaid(dialect, legible) ? 1 : endsIn(dialect, legible);
  if (ends !== 1) found.push(`${endsIn(dialect, legible)} ends: …${text.slice(-300)}`);
  const told = deltasIn(dialect, text).split(own).length - 1;
  if (isWholeIn(dialect, legible) && told !== words) found.push(`a good end after ${told} words of ${words}`);
  return found;
}

/** The Responses API tells the text again when it is done with it. */
const deltasIn = (dialect: DialectName, text: string): string =>
  dialect === "openai-responses"
    ? eventsOf(text)
        .filter(({ data }) => data.includes('"type":"response.output_text.delta"'))
        .map(({ data }) => data)
        .join("\n")
    : text;

/** What the upstream sent amiss passes through a relay; how a stream ends is ours. */
const legibleIn = (text: string): string =>
  text
    .split(/(?<=\n\r?\n)/)
    .filter((frame) => eventsOf(frame).every(({ data }) => data === "[DONE]" || isObject(data)))
    .join("");

/** Some vendors of OpenAI's protocol leave `[DONE]` out, so one that ends without it is passed on as it is. */
const isUnsaid = (dialect: DialectName, legible: string): boolean =>
  dialect === "openai-chat" && legible.includes('"finish_reason":"stop"') && endsIn(dialect, legible) === 0;

const isWholeIn = (dialect: DialectName, legible: string): boolean =>
  isUnsaid(dialect, legible) || endOf(dialect, legible) === "whole";

function isObject(data: string): boolean {
  try {
    const value: unknown = JSON.parse(data);
    return typeof value === "object" && value !== null && !Array.isArray(value);
  } catch {
    return false;
  }
}

const expected: ReadonlySet<number> = new Set([200, 400, 402, 404, 413, 422, 429, 502, 503, 504]);
/** Of the config, what the calls ask for beside targets. */
export const aliases = [
  "models:",
  "  falls: [mock-anthropic-messages/a, mock-gemini/b, mock-openai-chat/c]",
  "  turns: { strategy: weighted, targets: [mock-openai-responses/d, mock-openai-chat/e] }",
  "  quick: { strategy: lowest-latency, targets: [mock-gemini/f, mock-anthropic-messages/g] }",
];
const models = [
  "falls",
  "turns",
  "quick",
  "mock-openai-chat/h",
  "mock-openai-responses/i",
  "mock-anthropic-messages/j",
  "mock-gemini/k",
];
const nameOf = (id: number): string => id.toString(36).padStart(4, "0");
export const textOf = (id: number): string => `~${nameOf(id)}`.repeat(words);

const cap = 200;
const requests: Readonly<
  Record<
    DialectName,
    (model: string, content: string, stream: boolean) => { readonly path: string; readonly body: object }
  >
> = {
  "openai-chat": (model, content, stream) => ({
    path: "/v1/chat/completions",
    body: { model, ...(stream && { stream }), max_completion_tokens: cap, messages: [{ role: "user", content }] },
  }),
  "openai-responses": (model, input, stream) => ({
    path: "/v1/responses",
    body: { model, ...(stream && { stream }), max_output_tokens: cap, input },
  }),
  "anthropic-messages": (model, content, stream) => ({
    path: "/v1/messages",
    body: { model, ...(stream && { stream }), max_tokens: cap, messages: [{ role: "user", content }] },
  }),
  gemini: (model, text, stream) => ({
    path: `/v1beta/models/${model}:${stream ? "streamGenerateContent?alt=sse" : "generateContent"}`,
    body: { contents: [{ role: "user", parts: [{ text }] }], generationConfig: { maxOutputTokens: cap } },
  }),
};
