import { definePlugin, GatewayError, noUsage, t } from "llm-proxy/plugin";
import type { ChatEvent, ChatRequest, ModelCall, ModelProvider, Part } from "llm-proxy/plugin";

/**
 * Answers with the last user message and exact usage, without any upstream: for a first try, demos and tests.
 * Its token is a word: a run of non-whitespace with the whitespace after it; whitespace at the start joins the first word.
 */
export default definePlugin({
  kind: "provider",
  name: "echo",
  api: 1,
  description:
    "Streams back the last user message; models `echo`, `echo/slow`, `echo/fail`, `echo/fail-midway`, `echo/tools`, `echo/reasoning`.",
  config: t.Object(
    {
      tokenDelayMs: t.Integer({
        minimum: 0,
        maximum: 60_000,
        default: 200,
        description: "How long the model slow waits before each token, in milliseconds.",
      }),
    },
    { additionalProperties: false },
  ),
  setup: ({ tokenDelayMs }, { now }) => createEcho({ tokenDelayMs, now, sleep }),
});

export interface EchoOptions {
  readonly tokenDelayMs: number;
  readonly now: () => number;
  /** Resolves after `ms`, or at once when `signal` aborts; never rejects. */
  readonly sleep: (ms: number, signal: AbortSignal) => Promise<void>;
}

export const createEcho = (options: EchoOptions): ModelProvider => ({
  models: ["echo"],
  vendor: "echo",
  chat: (request, call) => play(request, call, options),
});

const models = new Set(["echo", "slow", "fail", "fail-midway", "tools", "reasoning"]);
/** The answer when the last user message has no word. */
const greeting = "Hello!";

async function* play(request: ChatRequest, call: ModelCall, options: EchoOptions): AsyncGenerator<ChatEvent> {
  if (!models.has(call.model))
    throw new GatewayError("model-not-found", `The echo provider has no model "${call.model}".`);
  if (call.model === "fail") throw new GatewayError("upstream-invalid", "The model fail always fails.");
  for (const event of script(request, call, options.now())) {
    if (call.model === "slow" && event.type === "text-delta") await options.sleep(options.tokenDelayMs, call.signal);
    if (call.signal.aborted) return;
    yield event;
  }
}

/** The whole answer. Throws in its middle where the model is one that fails there. */
function* script(request: ChatRequest, call: ModelCall, createdMs: number): Generator<ChatEvent> {
  const { blocks, finish } = plan(request, call);
  const failAfter = call.model === "fail-midway" ? Math.ceil(count(blocks.map((block) => block.text)) / 2) : Infinity;
  let outputTokens = 0;
  let reasoningTokens = 0;

  yield { type: "response-start", id: `echo-${call.callId}`, model: call.model, createdMs };
  for (let candidate = 0; candidate < request.candidates; candidate++) {
    let left = request.maxOutputTokens ?? Infinity;
    let cut = false;
    for (const [index, block] of blocks.entries()) {
      yield block.type === "tool-input"
        ? { type: "tool-input-start", candidate, index, id: toolCallId(call), name: block.name }
        : { type: `${block.type}-start`, candidate, index };
      for (const text of words(block.text)) {
        cut = left === 0;
        if (cut) break;
        left -= 1;
        outputTokens += 1;
        if (block.type === "reasoning") reasoningTokens += 1;
        yield { type: `${block.type}-delta`, candidate, index, text };
        if (outputTokens === failAfter)
          throw new GatewayError("upstream-invalid", "The model fail-midway failed midway.");
      }
      yield { type: `${block.type}-end`, candidate, index };
      if (cut) break;
    }
    yield { type: "candidate-end", candidate, finish: cut ? { reason: "length", raw: null } : finish };
  }
  const inputTokens = count(request.messages.flatMap((message) => message.parts.flatMap(textsOf)));
  yield {
    type: "response-end",
    usage: { usage: { ...noUsage, inputTokens, outputTokens, reasoningTokens }, anomalous: false },
  };
}

type Block =
  | { readonly type: "text" | "reasoning"; readonly text: string }
  | { readonly type: "tool-input"; readonly text: string; readonly name: string };
interface Plan {
  readonly blocks: readonly Block[];
  readonly finish: Extract<ChatEvent, { type: "candidate-end" }>["finish"];
}

function plan(request: ChatRequest, call: ModelCall): Plan {
  const said = saidLast(request, call);
  const tool = call.model === "tools" ? offeredTool(request) : null;
  if (tool) {
    const text = JSON.stringify({ [tool.argument]: said });
    return { blocks: [{ type: "tool-input", text, name: tool.name }], finish: { reason: "tool-calls", raw: null } };
  }
  const { text, stopSequence } = stopped(said, request.stop);
  const blocks: Block[] = [{ type: "text", text }];
  if (call.model === "reasoning") blocks.unshift({ type: "reasoning", text: said });
  return { blocks, finish: { reason: "stop", raw: null, ...(stopSequence !== null && { stopSequence }) } };
}

/** The last user message; for the model `tools` a tool's result counts as one, so that a tool loop comes to its end. */
function saidLast(request: ChatRequest, call: ModelCall): string {
  const message = request.messages.findLast(
    ({ role }) => role === "user" || (role === "tool" && call.model === "tools"),
  );
  const text = message?.parts.flatMap(textsOf).join("") ?? "";
  return /\S/.test(text) ? text : greeting;
}

/** The function to call, and the argument that takes the user's text; `null`: none is offered, wanted, or still to be called. */
function offeredTool({
  messages,
  tools,
  toolChoice,
}: ChatRequest): { readonly name: string; readonly argument: string } | null {
  if (toolChoice?.type === "none" || messages.at(-1)?.role === "tool") return null;
  const wanted = toolChoice?.type === "tool" ? toolChoice.name : null;
  const tool = tools.find((offered) => offered.type === "function" && (wanted === null || offered.name === wanted));
  if (tool?.type !== "function") return null;
  const properties = tool.parameters?.["properties"];
  return { name: tool.name, argument: Object.keys(properties ?? {})[0] ?? "text" };
}

/** Up to the first of the stop sequences, without it. */
function stopped(
  text: string,
  stop: readonly string[],
): { readonly text: string; readonly stopSequence: string | null } {
  let end = text.length;
  let stopSequence: string | null = null;
  for (const sequence of stop) {
    const at = sequence === "" ? -1 : text.indexOf(sequence);
    if (at === -1 || at >= end) continue;
    end = at;
    stopSequence = sequence;
  }
  return { text: text.slice(0, end), stopSequence };
}

/** OpenAI takes at most 40 characters for it. */
const toolCallId = (call: ModelCall): string => `call_${call.callId.replaceAll("-", "")}`;

function textsOf(part: Part): readonly string[] {
  if (part.type === "tool-result") return part.parts.flatMap(textsOf);
  return "text" in part ? [part.text] : [];
}

const count = (texts: readonly string[]): number =>
  texts.reduce((sum, text) => sum + text.matchAll(/\S+/g).reduce((n) => n + 1, 0), 0);

function* words(text: string): Generator<string> {
  let start = text.slice(0, Math.max(0, text.search(/\S/)));
  for (const [word] of text.matchAll(/\S+\s*/g)) {
    yield start + word;
    start = "";
  }
}

const sleep: EchoOptions["sleep"] = (ms, signal) =>
  new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const done = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener("abort", done);
  });
