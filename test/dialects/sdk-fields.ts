import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Json, JsonObject } from "../../core/chat/json.ts";
import type { DialectName } from "../../core/dialects/dialect.ts";

/**
 * What the vendors' own SDKs have types for in a request, each with a value: a request of every dialect, and at which
 * places of it which type's fields stand.
 */
export interface Place {
  readonly type: readonly [file: string, name: string];
  /** Keys from the request down. */
  readonly at: readonly (string | number)[];
  /** Values, none of them the default. */
  readonly fields: Readonly<Record<string, Json>>;
  /** Those that `requests` has already, and those that the tests of their own subject have. */
  readonly known: readonly string[];
}

const png = "iVBORw0KGgo=";
const pdf = "JVBERi0=";
const parameters = { type: "object", properties: {} };
const schema = { type: "object", properties: { x: { type: "string" } }, required: ["x"], additionalProperties: false };
const marked = { type: "ephemeral" };

export const requests: Readonly<Record<DialectName, JsonObject>> = {
  "openai-chat": {
    model: "m",
    messages: [
      { role: "system", content: "s" },
      {
        role: "user",
        content: [
          { type: "text", text: "u" },
          { type: "image_url", image_url: { url: `data:image/png;base64,${png}` } },
        ],
      },
      {
        role: "assistant",
        content: "a",
        tool_calls: [{ id: "c", type: "function", function: { name: "f", arguments: "{}" } }],
      },
      { role: "tool", tool_call_id: "c", content: "r" },
    ],
    tools: [{ type: "function", function: { name: "f", parameters } }],
  },
  "openai-responses": {
    model: "m",
    input: [
      {
        type: "message",
        role: "user",
        content: [
          { type: "input_text", text: "u" },
          { type: "input_image", image_url: `data:image/png;base64,${png}` },
          { type: "input_file", filename: "a.pdf", file_data: `data:application/pdf;base64,${pdf}` },
        ],
      },
      { type: "function_call", call_id: "c", name: "f", arguments: "{}" },
      { type: "function_call_output", call_id: "c", output: "r" },
    ],
    tools: [{ type: "function", name: "f", parameters, strict: false }],
  },
  "anthropic-messages": {
    model: "m",
    max_tokens: 4_000,
    system: [{ type: "text", text: "s" }],
    messages: [
      {
        role: "user",
        content: [
          { type: "image", source: { type: "base64", media_type: "image/png", data: png } },
          { type: "document", source: { type: "base64", media_type: "application/pdf", data: pdf } },
        ],
      },
      { role: "assistant", content: [{ type: "tool_use", id: "c", name: "f", input: {} }] },
      { role: "user", content: [{ type: "tool_result", tool_use_id: "c", content: "r" }] },
    ],
    tools: [{ name: "f", input_schema: parameters }],
  },
  gemini: {
    contents: [
      { role: "user", parts: [{ text: "u" }, { inlineData: { mimeType: "application/pdf", data: pdf } }] },
      { role: "model", parts: [{ functionCall: { name: "f", args: {} } }] },
      { role: "user", parts: [{ functionResponse: { name: "f", response: { output: "r" } } }] },
    ],
    tools: [{ functionDeclarations: [{ name: "f", parametersJsonSchema: parameters }] }],
  },
};

const chat = "openai/resources/chat/completions/completions.d.ts";
const responses = "openai/resources/responses/responses.d.ts";
const messages = "@anthropic-ai/sdk/resources/beta/messages/messages.d.ts";
const gemini = "@google/genai/dist/genai.d.ts";
const userContent = (message: number, part: number) => ["messages", message, "content", part];

export const places: Readonly<Record<DialectName, readonly Place[]>> = {
  "openai-chat": [
    {
      type: [chat, "ChatCompletionCreateParamsBase"],
      at: [],
      fields: {
        audio: { voice: "alloy", format: "wav" },
        frequency_penalty: 0.5,
        logit_bias: { "5": 1 },
        logprobs: true,
        max_completion_tokens: 2_000,
        max_tokens: 2_000,
        metadata: { a: "b" },
        modalities: ["text", "audio"],
        moderation: { model: "m" },
        n: 2,
        parallel_tool_calls: false,
        prediction: { type: "content", content: "x" },
        presence_penalty: 0.5,
        prompt_cache_key: "k",
        prompt_cache_options: { ttl: "30m" },
        prompt_cache_retention: "24h",
        reasoning_effort: "low",
        response_format: { type: "json_schema", json_schema: { name: "n", schema, strict: true } },
        safety_identifier: "u",
        seed: 3,
        service_tier: "flex",
        stop: ["x"],
        store: true,
        temperature: 0.5,
        tool_choice: "required",
        top_p: 0.5,
        user: "u",
        verbosity: "low",
        web_search_options: { search_context_size: "low" },
      },
      known: ["messages", "model", "tools", "functions", "function_call", "stream", "stream_options", "top_logprobs"],
    },
    {
      type: ["openai/resources/shared.d.ts", "FunctionDefinition"],
      at: ["tools", 0, "function"],
      fields: { description: "d", strict: true },
      known: ["name", "parameters"],
    },
    {
      type: [chat, "ChatCompletionContentPartText"],
      at: userContent(1, 0),
      fields: { prompt_cache_breakpoint: { mode: "explicit" } },
      known: ["type", "text"],
    },
    {
      type: [chat, "ChatCompletionSystemMessageParam"],
      at: ["messages", 0],
      fields: { name: "n" },
      known: ["role", "content"],
    },
    {
      type: [chat, "ChatCompletionUserMessageParam"],
      at: ["messages", 1],
      fields: { name: "n" },
      known: ["role", "content"],
    },
  ],
  "openai-responses": [
    {
      type: [responses, "ResponseCreateParamsBase"],
      at: [],
      fields: {
        access_programs: { a: 1 },
        context_management: [{ type: "compaction" }],
        conversation: "conv_1",
        image: { a: 1 },
        include: ["message.output_text.logprobs"],
        instructions: "s",
        max_output_tokens: 2_000,
        max_tool_calls: 5,
        metadata: { a: "b" },
        moderation: { model: "m" },
        parallel_tool_calls: false,
        previous_response_id: "resp_1",
        prompt: { id: "p" },
        prompt_cache_key: "k",
        prompt_cache_options: { ttl: "30m" },
        prompt_cache_retention: "24h",
        reasoning: { effort: "low" },
        safety_identifier: "u",
        service_tier: "flex",
        store: true,
        temperature: 0.5,
        text: { verbosity: "low" },
        tool_choice: "required",
        top_logprobs: 2,
        top_p: 0.5,
        truncation: "auto",
        user: "u",
      },
      known: ["background", "input", "model", "stream", "stream_options", "tools"],
    },
    {
      type: ["openai/resources/shared.d.ts", "Reasoning"],
      at: ["reasoning"],
      fields: { context: "all_turns", effort: "low", mode: "pro" },
      known: ["summary", "generate_summary"],
    },
    {
      type: [responses, "FunctionTool"],
      at: ["tools", 0],
      fields: {
        allowed_callers: ["programmatic"],
        async: true,
        defer_loading: true,
        description: "d",
        output_schema: schema,
        strict: true,
      },
      known: ["type", "name", "parameters"],
    },
    {
      type: [responses, "ResponseInputText"],
      at: ["input", 0, "content", 0],
      fields: { prompt_cache_breakpoint: { mode: "explicit" } },
      known: ["type", "text"],
    },
    {
      type: [responses, "ResponseInputImage"],
      at: ["input", 0, "content", 1],
      fields: { detail: "low", prompt_cache_breakpoint: { mode: "explicit" } },
      known: ["type", "file_id", "image_url"],
    },
    {
      type: [responses, "ResponseInputFile"],
      at: ["input", 0, "content", 2],
      fields: { detail: "low", prompt_cache_breakpoint: { mode: "explicit" } },
      known: ["type", "file_data", "file_id", "file_url", "filename"],
    },
  ],
  "anthropic-messages": [
    {
      type: [messages, "MessageCreateParamsBase"],
      at: [],
      fields: {
        billing_policy: { a: 1 },
        cache_control: marked,
        compaction: { a: 1 },
        container: "c",
        context_management: { edits: [] },
        diagnostics: { a: 1 },
        fallback_credit_token: "t",
        fallbacks: [{ model: "m" }],
        inference_geo: "us",
        mcp_servers: [{ type: "url", url: "https://x.example", name: "x" }],
        metadata: { user_id: "u" },
        output_config: { effort: "low" },
        output_format: { type: "json_schema", schema },
        service_tier: "standard_only",
        speed: "fast",
        stop_sequences: ["x"],
        thinking: { type: "enabled", budget_tokens: 2_000 },
        thread: { id: "t" },
        tool_choice: { type: "any" },
        user_profile_id: "u",
        workspace_id: "w",
      },
      // What the SDK sends as `betas` is a header.
      known: ["max_tokens", "messages", "model", "system", "tools", "stream", "betas"],
    },
    {
      type: [messages, "BetaOutputConfig"],
      at: ["output_config"],
      fields: { effort: "low", format: { type: "json_schema", schema }, task_budget: { type: "tokens", total: 9 } },
      known: [],
    },
    {
      type: [messages, "BetaTool"],
      at: ["tools", 0],
      fields: {
        allowed_callers: ["code_execution_20250825"],
        cache_control: marked,
        defer_loading: true,
        description: "d",
        eager_input_streaming: true,
        input_examples: [{ x: 1 }],
        strict: true,
      },
      known: ["input_schema", "name", "type"],
    },
    {
      type: [messages, "BetaImageBlockParam"],
      at: userContent(0, 0),
      fields: { cache_control: marked, transformations: { a: 1 } },
      known: ["source", "type"],
    },
    {
      type: [messages, "BetaRequestDocumentBlock"],
      at: userContent(0, 1),
      fields: { cache_control: marked, citations: { enabled: true }, context: "c", title: "t" },
      known: ["source", "type"],
    },
    {
      type: [messages, "BetaToolResultBlockParam"],
      at: userContent(2, 0),
      fields: { cache_control: marked, is_error: true, toolset_name: "t" },
      known: ["content", "tool_use_id", "type"],
    },
  ],
  gemini: [
    {
      type: [gemini, "GenerationConfig"],
      at: ["generationConfig"],
      fields: {
        audioTimestamp: true,
        audioTranscriptionConfig: { a: 1 },
        candidateCount: 2,
        enableAffectiveDialog: true,
        enableEnhancedCivicAnswers: true,
        frequencyPenalty: 0.5,
        logprobs: 3,
        maxOutputTokens: 2_000,
        mediaResolution: "MEDIA_RESOLUTION_LOW",
        modelSelectionConfig: { a: 1 },
        presencePenalty: 0.5,
        responseFormat: [{ a: 1 }],
        responseJsonSchema: schema,
        responseLogprobs: true,
        responseMimeType: "application/json",
        responseModalities: ["IMAGE"],
        responseSchema: { type: "OBJECT" },
        routingConfig: { a: 1 },
        seed: 3,
        speechConfig: { a: 1 },
        stopSequences: ["x"],
        temperature: 0.5,
        thinkingConfig: { thinkingBudget: 2_000 },
        topK: 3,
        topP: 0.5,
        translationConfig: { a: 1 },
      },
      known: [],
    },
    {
      type: [gemini, "FunctionDeclaration"],
      at: ["tools", 0, "functionDeclarations", 0],
      fields: { behavior: "NON_BLOCKING", description: "d", response: { type: "OBJECT" }, responseJsonSchema: schema },
      known: ["name", "parameters", "parametersJsonSchema"],
    },
    {
      type: [gemini, "Part"],
      at: ["contents", 0, "parts", 1],
      fields: {
        mediaResolution: { level: "MEDIA_RESOLUTION_LOW" },
        videoMetadata: { fps: 1 },
        partMetadata: { a: 1 },
        mediaProcessing: { a: 1 },
        speechMetadata: { a: 1 },
      },
      known: [
        "toolCall",
        "toolResponse",
        "audioTranscription",
        "codeExecutionResult",
        "executableCode",
        "fileData",
        "functionCall",
        "functionResponse",
        "inlineData",
        "text",
        "thought",
        "thoughtSignature",
      ],
    },
    {
      type: [gemini, "FunctionResponse"],
      at: ["contents", 2, "parts", 0, "functionResponse"],
      fields: { scheduling: "SILENT", willContinue: true },
      known: ["id", "name", "parts", "response"],
    },
  ],
};

/** The names of the fields of an interface or a class that an SDK declares. */
export function sdkFields([file, name]: Place["type"]): readonly string[] {
  const text = readFileSync(join(import.meta.dir, "../../node_modules", file), "utf8");
  const body = new RegExp(`^export (?:declare )?(?:interface|class) ${name}\\b[^]*?^\\}`, "m").exec(text)?.[0] ?? "";
  return [...body.matchAll(/^ {4}(\w+)\??:/gm)].flatMap(([, field]) => field ?? []);
}
