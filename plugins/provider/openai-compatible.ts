import { definePlugin, parameterNames, t } from "llm-proxy/plugin";
import { httpProvider, optionsOf } from "./http.ts";

/** Any upstream that speaks a known protocol. Well-known ones have a row in presets.ts instead. */
export default definePlugin({
  kind: "provider",
  name: "openai-compatible",
  api: 1,
  description: "Any upstream that speaks OpenAI's chat completions, or what `dialects` names.",
  config: t.Object(
    {
      baseUrl: t.String({
        pattern: "^https?://",
        description: "As the protocol's SDK takes it; for OpenAI's with the version, e.g. http://127.0.0.1:11434/v1.",
      }),
      apiKey: t.Optional(
        t.String({
          writeOnly: true,
          description: "Sent in the header that the protocol has for it; none is sent when it is empty.",
        }),
      ),
      ...optionsOf(["openai-chat"]),
      vendor: t.Optional(
        t.String({ minLength: 1, description: "The vendor's id in the price book; default: the instance's name." }),
      ),
      streamOptions: t.Boolean({
        default: true,
        description: "Whether the upstream takes stream_options; false where it refuses them.",
      }),
      maxOutputTokensField: t.Union([t.Literal("max_tokens"), t.Literal("max_completion_tokens")], {
        default: "max_tokens",
        description: "The upstream's name of the cap on output tokens, in OpenAI's chat completions.",
      }),
      refuses: t.Array(t.Union(parameterNames.map((name) => t.Literal(name))), {
        uniqueItems: true,
        default: [],
        description: "Settings that the upstream refuses; calls of clients of another protocol go without them.",
      }),
      developerRole: t.Boolean({
        default: false,
        description:
          "Whether the upstream knows the role `developer`; clients of other protocols say `system` where not.",
      }),
      reasoningField: t.Union([t.Literal("reasoning_content"), t.Literal("reasoning"), t.Literal("none")], {
        default: "reasoning_content",
        description:
          "Where the upstream takes what its model thought in earlier turns of clients of another protocol; `none`: nowhere.",
      }),
    },
    { additionalProperties: false },
  ),
  check: (options) => void httpProvider(options),
  setup: (options) => httpProvider(options),
});
