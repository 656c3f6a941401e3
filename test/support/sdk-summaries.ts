import { createServer, type Server } from "node:http";
import Anthropic from "@anthropic-ai/sdk";
import { type Candidate, FinishReason, GoogleGenAI, type Part } from "@google/genai";
import OpenAI from "openai";
import type { ChatCompletionChunk } from "openai/resources/chat/completions";
import type { DialectName } from "../../core/dialects/dialect.ts";

/** What an application sees of an answer, whichever SDK read it: its first candidate. */
export interface Summary {
  /** A refusal too, which most protocols tell as text. */
  readonly text: string;
  readonly reasoning: string;
  /** Arguments parsed, as SDKs hand them to tools. */
  readonly calls: readonly { readonly name: string; readonly input: unknown }[];
  /** In the words of the canonical model; `null`: the dialect's word is none of those. */
  readonly finish: "stop" | "length" | "tool-calls" | "content-filter" | null;
  /** Cache reads are part of the input, and reasoning is part of the output. */
  readonly usage: { readonly input: number; readonly output: number } | null;
}

/** The official SDK of each dialect reads answers that a server on loopback replays. */
export class SdkReader {
  readonly #server: Server;
  readonly #url: string;
  #answer = { body: "", contentType: "" };

  private constructor(server: Server, url: string) {
    this.#server = server;
    this.#url = url;
    server.on("request", (request, response) => {
      request.resume().on("end", () => {
        response.writeHead(200, { "content-type": this.#answer.contentType, "request-id": "req_1" });
        response.end(this.#answer.body);
      });
    });
  }

  static async start(): Promise<SdkReader> {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const address = server.address();
    if (typeof address !== "object" || address === null) throw new Error("The server has no port.");
    return new SdkReader(server, `http://127.0.0.1:${address.port}`);
  }

  stop(): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }

  /** Reads one answer. Throws what the SDK throws. One at a time. */
  async read(dialect: DialectName, body: string, isStream: boolean): Promise<Summary> {
    this.#answer = { body, contentType: isStream ? "text/event-stream" : "application/json" };
    return await readers[dialect][isStream ? "stream" : "whole"](this.#url);
  }
}

type Read = (url: string) => Promise<Summary>;

const openai = (url: string) => new OpenAI({ baseURL: `${url}/v1`, apiKey: "k", maxRetries: 0 });
const anthropic = (url: string) => new Anthropic({ baseURL: url, apiKey: "k", maxRetries: 0 });
const google = (url: string) => new GoogleGenAI({ apiKey: "k", httpOptions: { baseUrl: url } }).models;

const messages = [{ role: "user" as const, content: "hi" }];

const readers: Readonly<Record<DialectName, { readonly whole: Read; readonly stream: Read }>> = {
  "openai-chat": {
    async whole(url) {
      const { choices, usage } = await openai(url).chat.completions.create({ model: "m", messages });
      const choice = choices[0];
      return {
        text: `${choice?.message.content ?? ""}${choice?.message.refusal ?? ""}`,
        reasoning: reasoningOf(choice?.message),
        calls: (choice?.message.tool_calls ?? []).map(chatCall),
        finish: chatFinish(choice?.finish_reason),
        usage: chatUsage(usage),
      };
    },
    async stream(url) {
      // The helper is the strict reader, the loop the complete one.
      const helper = openai(url).chat.completions.stream({ model: "m", messages });
      const chunks: ChatCompletionChunk[] = [];
      for await (const chunk of helper) chunks.push(chunk);
      await helper.finalChatCompletion();
      return chatSummary(chunks);
    },
  },
  "openai-responses": {
    async whole(url) {
      return responseSummary(await openai(url).responses.create({ model: "m", input: "hi" }));
    },
    async stream(url) {
      const stream = openai(url).responses.stream({ model: "m", input: "hi" });
      let ended: OpenAI.Responses.Response | null = null;
      for await (const event of stream)
        if (event.type === "response.completed" || event.type === "response.incomplete") ended = event.response;
      if (ended === null) throw new Error("The stream had no terminal event.");
      return responseSummary(ended);
    },
  },
  "anthropic-messages": {
    async whole(url) {
      return messageSummary(await anthropic(url).messages.create({ model: "m", max_tokens: 9, messages }));
    },
    async stream(url) {
      return messageSummary(
        await anthropic(url).messages.stream({ model: "m", max_tokens: 9, messages }).finalMessage(),
      );
    },
  },
  gemini: {
    async whole(url) {
      const { candidates, usageMetadata } = await google(url).generateContent({ model: "m", contents: "hi" });
      return contentSummary(candidates?.[0]?.content?.parts ?? [], candidates?.[0], usageMetadata);
    },
    async stream(url) {
      const parts: Part[] = [];
      let last: Candidate | undefined;
      let usage: GeminiUsage;
      for await (const chunk of await google(url).generateContentStream({ model: "m", contents: "hi" })) {
        const candidate = chunk.candidates?.find(({ index }) => (index ?? 0) === 0);
        parts.push(...(candidate?.content?.parts ?? []));
        if (candidate?.finishReason) last = candidate;
        usage = chunk.usageMetadata ?? usage;
      }
      return contentSummary(parts, last, usage);
    },
  },
};

// ── openai-chat ───────────────────────────────────────────────────────────────────────────────────────────────────────

function chatSummary(chunks: readonly ChatCompletionChunk[]): Summary {
  const calls = new Map<number, { name: string; input: string; isCustom: boolean }>();
  let text = "";
  let reasoning = "";
  let finish: string | null = null;
  let usage: ReturnType<typeof chatUsage> = null;
  for (const chunk of chunks) {
    usage = chatUsage(chunk.usage) ?? usage;
    for (const choice of chunk.choices) {
      if (choice.index !== 0) continue;
      text += `${choice.delta.content ?? ""}${choice.delta.refusal ?? ""}`;
      reasoning += reasoningOf(choice.delta);
      finish = choice.finish_reason ?? finish;
      for (const call of choice.delta.tool_calls ?? []) {
        const known = calls.get(call.index) ?? { name: "", input: "", isCustom: call.custom !== undefined };
        const name = call.function?.name ?? call.custom?.name ?? "";
        const input = call.function?.arguments ?? call.custom?.input ?? "";
        calls.set(call.index, { ...known, name: known.name + name, input: known.input + input });
      }
    }
  }
  return {
    text,
    reasoning,
    calls: [...calls.values()].map(({ name, input, isCustom }) => ({ name, input: isCustom ? input : parsed(input) })),
    finish: chatFinish(finish),
    usage,
  };
}

/** A field of many vendors that the SDK does not know, and hands on. */
const reasoningOf = (message: object | undefined): string => {
  const value: unknown = message === undefined ? undefined : Reflect.get(message, "reasoning_content");
  return typeof value === "string" ? value : "";
};

const chatCall = (call: OpenAI.Chat.Completions.ChatCompletionMessageToolCall) =>
  call.type === "function"
    ? { name: call.function.name, input: parsed(call.function.arguments) }
    : { name: call.custom.name, input: call.custom.input };

const chatFinish = (word: string | null | undefined): Summary["finish"] =>
  word === "tool_calls" ? "tool-calls" : word === "content_filter" ? "content-filter" : plainFinish(word);

const chatUsage = (usage: OpenAI.CompletionUsage | null | undefined): Summary["usage"] =>
  usage ? { input: usage.prompt_tokens, output: usage.completion_tokens } : null;

// ── openai-responses ──────────────────────────────────────────────────────────────────────────────────────────────────

function responseSummary(response: OpenAI.Responses.Response): Summary {
  const { output, usage, incomplete_details: incomplete } = response;
  const calls = output.flatMap((item) =>
    item.type === "function_call"
      ? [{ name: item.name, input: parsed(item.arguments) }]
      : item.type === "custom_tool_call"
        ? [{ name: item.name, input: item.input }]
        : [],
  );
  return {
    text: output
      .flatMap((item) => (item.type === "message" ? item.content : []))
      .map((part) => (part.type === "output_text" ? part.text : part.refusal))
      .join(""),
    reasoning: output
      .flatMap((item) => (item.type === "reasoning" ? [...item.summary, ...(item.content ?? [])] : []))
      .map((part) => part.text)
      .join(""),
    calls,
    finish:
      incomplete?.reason === "max_output_tokens"
        ? "length"
        : incomplete?.reason === "content_filter"
          ? "content-filter"
          : calls.length > 0
            ? "tool-calls"
            : "stop",
    usage: usage ? { input: usage.input_tokens, output: usage.output_tokens } : null,
  };
}

// ── anthropic-messages ────────────────────────────────────────────────────────────────────────────────────────────────

function messageSummary({ content, stop_reason: reason, usage }: Anthropic.Message): Summary {
  const words: Readonly<Record<string, Summary["finish"]>> = {
    end_turn: "stop",
    stop_sequence: "stop",
    max_tokens: "length",
    tool_use: "tool-calls",
    refusal: "content-filter",
  };
  return {
    text: content.map((block) => (block.type === "text" ? block.text : "")).join(""),
    reasoning: content.map((block) => (block.type === "thinking" ? block.thinking : "")).join(""),
    calls: content.flatMap((block) => (block.type === "tool_use" ? [{ name: block.name, input: block.input }] : [])),
    finish: words[reason ?? ""] ?? null,
    usage: {
      input: usage.input_tokens + (usage.cache_read_input_tokens ?? 0) + (usage.cache_creation_input_tokens ?? 0),
      output: usage.output_tokens,
    },
  };
}

// ── gemini ────────────────────────────────────────────────────────────────────────────────────────────────────────────

type GeminiUsage = Awaited<ReturnType<GoogleGenAI["models"]["generateContent"]>>["usageMetadata"];

function contentSummary(parts: readonly Part[], candidate: Candidate | undefined, usage: GeminiUsage): Summary {
  const calls = parts.flatMap(({ functionCall }) =>
    functionCall ? [{ name: functionCall.name ?? "", input: functionCall.args ?? {} }] : [],
  );
  const reason = candidate?.finishReason;
  return {
    text: parts.map(({ text, thought }) => (thought ? "" : (text ?? ""))).join(""),
    reasoning: parts.map(({ text, thought }) => (thought ? (text ?? "") : "")).join(""),
    calls,
    finish:
      reason === FinishReason.STOP
        ? calls.length > 0
          ? "tool-calls"
          : "stop"
        : reason === FinishReason.MAX_TOKENS
          ? "length"
          : reason !== undefined && filters.has(reason)
            ? "content-filter"
            : null,
    usage: usage
      ? {
          input: (usage.promptTokenCount ?? 0) + (usage.toolUsePromptTokenCount ?? 0),
          output: (usage.candidatesTokenCount ?? 0) + (usage.thoughtsTokenCount ?? 0),
        }
      : null,
  };
}

const filters: ReadonlySet<FinishReason> = new Set([
  FinishReason.SAFETY,
  FinishReason.RECITATION,
  FinishReason.BLOCKLIST,
  FinishReason.PROHIBITED_CONTENT,
  FinishReason.SPII,
]);

const plainFinish = (word: string | null | undefined): Summary["finish"] =>
  word === "stop" || word === "length" ? word : null;

function parsed(input: string): unknown {
  return JSON.parse(input) as unknown;
}
