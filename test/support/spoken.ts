import type { DialectName } from "../../core/dialects/dialect.ts";

/**
 * What providers of each dialect send, written by hand from their documentation and not by the product's own encoders:
 * one turn of a conversation, as one JSON body or as an event stream.
 */
export interface Turn {
  readonly thinking?: { readonly text: string; readonly signature: string };
  readonly text?: string;
  readonly calls?: readonly {
    readonly id: string;
    readonly name: string;
    readonly args: Readonly<Record<string, unknown>>;
  }[];
  /** Cache reads are part of the input, thinking tokens part of the output. */
  readonly usage: {
    readonly input: number;
    readonly cached?: number;
    readonly output: number;
    readonly thinking?: number;
  };
}

export const spokenWhole = (dialect: DialectName, turn: Turn): string => JSON.stringify(wholes[dialect](turn));

/** Complete, with every terminator that the vendor sends. */
export const spokenStream = (dialect: DialectName, turn: Turn): string => streams[dialect](turn);

/** Such a stream of a provider that reports none. */
export const withoutUsage = (stream: string): string =>
  stream.replaceAll(/(?<=^data: )\{.*\}$/gm, (json) =>
    JSON.stringify(JSON.parse(json), (key, value: unknown) => (key === "usage" ? undefined : value)),
  );

/** Pieces of a text, so that streams have several deltas. */
const pieces = (text: string): readonly string[] => text.match(/[\s\S]{1,5}/g) ?? [];

const data = (value: unknown): string => `data: ${JSON.stringify(value)}\n\n`;
const named = (type: string, value: object): string => `event: ${type}\n${data({ type, ...value })}`;

const created = 1_700_000_000;
const hasCalls = ({ calls }: Turn): boolean => calls !== undefined && calls.length > 0;

// ── openai-chat ───────────────────────────────────────────────────────────────────────────────────────────────────────

const chatUsage = ({ usage: { input, cached = 0, output, thinking = 0 } }: Turn) => ({
  prompt_tokens: input,
  completion_tokens: output,
  total_tokens: input + output,
  prompt_tokens_details: { cached_tokens: cached },
  completion_tokens_details: { reasoning_tokens: thinking },
});

function chatWhole(turn: Turn) {
  const calls = turn.calls?.map(({ id, name, args }) => ({
    id,
    type: "function",
    function: { name, arguments: JSON.stringify(args) },
  }));
  const message = {
    role: "assistant",
    content: turn.text ?? null,
    refusal: null,
    ...(turn.thinking ? { reasoning_content: turn.thinking.text } : {}),
    ...(calls ? { tool_calls: calls } : {}),
  };
  const finish = hasCalls(turn) ? "tool_calls" : "stop";
  return {
    id: "chatcmpl-1",
    object: "chat.completion",
    created,
    model: "upstream-model",
    choices: [{ index: 0, message, logprobs: null, finish_reason: finish }],
    usage: chatUsage(turn),
  };
}

function chatStream(turn: Turn): string {
  const head = { id: "chatcmpl-1", object: "chat.completion.chunk", created, model: "upstream-model" };
  const chunk = (delta: object, finish: string | null = null) =>
    data({ ...head, choices: [{ index: 0, delta, logprobs: null, finish_reason: finish }] });
  const calls = (turn.calls ?? []).flatMap(({ id, name, args }, index) => [
    chunk({ tool_calls: [{ index, id, type: "function", function: { name, arguments: "" } }] }),
    ...pieces(JSON.stringify(args)).map((piece) => chunk({ tool_calls: [{ index, function: { arguments: piece } }] })),
  ]);
  return [
    chunk({ role: "assistant", content: "" }),
    ...pieces(turn.thinking?.text ?? "").map((piece) => chunk({ reasoning_content: piece })),
    ...pieces(turn.text ?? "").map((piece) => chunk({ content: piece })),
    ...calls,
    chunk({}, hasCalls(turn) ? "tool_calls" : "stop"),
    data({ ...head, choices: [], usage: chatUsage(turn) }),
    "data: [DONE]\n\n",
  ].join("");
}

// ── openai-responses ──────────────────────────────────────────────────────────────────────────────────────────────────

const reasoningItem = ({ text, signature }: { readonly text: string; readonly signature: string }) => ({
  id: "rs_1",
  type: "reasoning",
  summary: [{ type: "summary_text", text }],
  encrypted_content: signature,
});

function responseItems({
  thinking,
  text,
  calls = [],
}: Turn): readonly ({ readonly id: string; readonly type: string } & Record<string, unknown>)[] {
  const content = [{ type: "output_text", text, annotations: [], logprobs: [] }];
  return [
    ...(thinking ? [reasoningItem(thinking)] : []),
    ...(text === undefined ? [] : [{ id: "msg_1", type: "message", role: "assistant", status: "completed", content }]),
    ...calls.map(({ id, name, args }, n) => ({
      id: `fc_${n}`,
      type: "function_call",
      call_id: id,
      name,
      arguments: JSON.stringify(args),
      status: "completed",
    })),
  ];
}

const responseOf = (turn: Turn, status: string) => ({
  id: "resp_1",
  object: "response",
  created_at: created,
  status,
  error: null,
  incomplete_details: null,
  instructions: null,
  metadata: {},
  model: "upstream-model",
  output: status === "completed" ? responseItems(turn) : [],
  parallel_tool_calls: true,
  temperature: 1,
  tool_choice: "auto",
  tools: [],
  top_p: 1,
  usage:
    status === "completed"
      ? {
          input_tokens: turn.usage.input,
          input_tokens_details: { cached_tokens: turn.usage.cached ?? 0 },
          output_tokens: turn.usage.output,
          output_tokens_details: { reasoning_tokens: turn.usage.thinking ?? 0 },
          total_tokens: turn.usage.input + turn.usage.output,
        }
      : null,
});

function responseStream(turn: Turn): string {
  let sequence = 0;
  const event = (type: string, value: object) => named(type, { sequence_number: sequence++, ...value });
  const text: string[] = [
    event("response.created", { response: responseOf(turn, "in_progress") }),
    event("response.in_progress", { response: responseOf(turn, "in_progress") }),
  ];
  for (const [index, item] of responseItems(turn).entries()) {
    const at = { output_index: index, item_id: item.id };
    const { thinking, calls = [] } = turn;
    if (item.type === "reasoning") {
      const part = { ...at, summary_index: 0 };
      text.push(
        event("response.output_item.added", { output_index: index, item: { ...item, summary: [] } }),
        event("response.reasoning_summary_part.added", { ...part, part: { type: "summary_text", text: "" } }),
        ...pieces(thinking?.text ?? "").map((delta) =>
          event("response.reasoning_summary_text.delta", { ...part, delta }),
        ),
        event("response.reasoning_summary_text.done", { ...part, text: thinking?.text }),
        event("response.reasoning_summary_part.done", {
          ...part,
          part: { type: "summary_text", text: thinking?.text },
        }),
      );
    } else if (item.type === "message") {
      const part = { ...at, content_index: 0 };
      const told = { type: "output_text", text: turn.text, annotations: [], logprobs: [] };
      text.push(
        event("response.output_item.added", {
          output_index: index,
          item: { ...item, status: "in_progress", content: [] },
        }),
        event("response.content_part.added", { ...part, part: { ...told, text: "" } }),
        ...pieces(turn.text ?? "").map((delta) =>
          event("response.output_text.delta", { ...part, delta, logprobs: [] }),
        ),
        event("response.output_text.done", { ...part, text: turn.text, logprobs: [] }),
        event("response.content_part.done", { ...part, part: told }),
      );
    } else {
      const call = calls.find((_, n) => `fc_${n}` === item.id);
      const args = JSON.stringify(call?.args);
      text.push(
        event("response.output_item.added", {
          output_index: index,
          item: { ...item, status: "in_progress", arguments: "" },
        }),
        ...pieces(args).map((delta) => event("response.function_call_arguments.delta", { ...at, delta })),
        event("response.function_call_arguments.done", { ...at, name: call?.name, arguments: args }),
      );
    }
    text.push(event("response.output_item.done", { output_index: index, item }));
  }
  return [...text, event("response.completed", { response: responseOf(turn, "completed") })].join("");
}

// ── anthropic-messages ────────────────────────────────────────────────────────────────────────────────────────────────

const messageUsage = ({ usage: { input, cached = 0, output } }: Turn) => ({
  input_tokens: input - cached,
  cache_creation_input_tokens: 0,
  cache_read_input_tokens: cached,
  output_tokens: output,
});

const messageBlocks = ({ thinking, text, calls = [] }: Turn) => [
  ...(thinking ? [{ type: "thinking", thinking: thinking.text, signature: thinking.signature }] : []),
  ...(text === undefined ? [] : [{ type: "text", text }]),
  ...calls.map(({ id, name, args }) => ({ type: "tool_use", id, name, input: args })),
];

const messageOf = (turn: Turn) => ({
  id: "msg_1",
  type: "message",
  role: "assistant",
  model: "upstream-model",
  content: messageBlocks(turn),
  stop_reason: hasCalls(turn) ? "tool_use" : "end_turn",
  stop_sequence: null,
  usage: messageUsage(turn),
});

function messageStream(turn: Turn): string {
  const { thinking, calls = [] } = turn;
  const blocks = messageBlocks(turn).flatMap((block, index) => {
    const start = (content_block: object) => named("content_block_start", { index, content_block });
    const delta = (told: object) => named("content_block_delta", { index, delta: told });
    const stop = named("content_block_stop", { index });
    if (block.type === "thinking")
      return [
        start({ type: "thinking", thinking: "", signature: "" }),
        ...pieces(thinking?.text ?? "").map((piece) => delta({ type: "thinking_delta", thinking: piece })),
        delta({ type: "signature_delta", signature: thinking?.signature }),
        stop,
      ];
    if (block.type === "text")
      return [
        start({ type: "text", text: "" }),
        named("ping", {}),
        ...pieces(turn.text ?? "").map((piece) => delta({ type: "text_delta", text: piece })),
        stop,
      ];
    const call = calls.find(({ id }) => "id" in block && block.id === id);
    return [
      start({ type: "tool_use", id: call?.id, name: call?.name, input: {} }),
      delta({ type: "input_json_delta", partial_json: "" }),
      ...pieces(JSON.stringify(call?.args)).map((piece) => delta({ type: "input_json_delta", partial_json: piece })),
      stop,
    ];
  });
  const opening = {
    ...messageOf(turn),
    content: [],
    stop_reason: null,
    usage: { ...messageUsage(turn), output_tokens: 1 },
  };
  return [
    named("message_start", { message: opening }),
    ...blocks,
    named("message_delta", {
      delta: { stop_reason: messageOf(turn).stop_reason, stop_sequence: null },
      usage: { output_tokens: turn.usage.output },
    }),
    named("message_stop", {}),
  ].join("");
}

// ── gemini ────────────────────────────────────────────────────────────────────────────────────────────────────────────

const contentUsage = ({ usage: { input, cached = 0, output, thinking = 0 } }: Turn) => ({
  promptTokenCount: input,
  ...(cached > 0 ? { cachedContentTokenCount: cached } : {}),
  candidatesTokenCount: output - thinking,
  ...(thinking > 0 ? { thoughtsTokenCount: thinking } : {}),
  totalTokenCount: input + output,
});

/** Gemini's own calls have no ids, and the signature stands on the first of them. */
const contentParts = ({ thinking, text, calls = [] }: Turn) => [
  ...pieces(thinking?.text ?? "").map((piece) => ({ text: piece, thought: true })),
  ...pieces(text ?? "").map((piece) => ({ text: piece })),
  ...calls.map(({ name, args }, n) => ({
    functionCall: { name, args },
    ...(n === 0 && thinking ? { thoughtSignature: thinking.signature } : {}),
  })),
];

const contentOf = (turn: Turn, parts: readonly object[], finish: string | null) => ({
  candidates: [{ content: { parts, role: "model" }, ...(finish === null ? {} : { finishReason: finish }), index: 0 }],
  usageMetadata: contentUsage(turn),
  modelVersion: "upstream-model",
  // Each turn has its own: ids of calls are made of it.
  responseId: `gem-${turn.usage.input}`,
});

function contentStream(turn: Turn): string {
  const parts = contentParts(turn);
  return parts
    .map((part, n) => data(contentOf(turn, [part], n === parts.length - 1 ? "STOP" : null)).replaceAll("\n", "\r\n"))
    .join("");
}

const wholes: Readonly<Record<DialectName, (turn: Turn) => object>> = {
  "openai-chat": chatWhole,
  "openai-responses": (turn) => responseOf(turn, "completed"),
  "anthropic-messages": messageOf,
  gemini: (turn) => contentOf(turn, contentParts(turn), "STOP"),
};

const streams: Readonly<Record<DialectName, (turn: Turn) => string>> = {
  "openai-chat": chatStream,
  "openai-responses": responseStream,
  "anthropic-messages": messageStream,
  gemini: contentStream,
};
