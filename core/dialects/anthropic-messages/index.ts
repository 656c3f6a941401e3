import type { Dialect } from "../dialect.ts";
import { decodeError } from "../vendor-error.ts";
import { countTokens } from "./count-tokens.ts";
import { readEnvelope } from "./envelope.ts";
import { encodeError, encodeStreamError } from "./error.ts";
import { dialectName, spelling } from "./kept.ts";
import { takenMedia } from "./media.ts";
import { parameters } from "./parameters.ts";
import { relay } from "./relay.ts";
import { decodeRequest, encodeRequest } from "./request.ts";
import { decodeResponse, encodeResponse } from "./response.ts";
import { encodeStream } from "./stream-encode.ts";
import { decodeStream } from "./stream.ts";

/** Anthropic's Messages, and what vendors offer as compatible with it. */
export const anthropicMessages: Dialect = {
  name: dialectName,
  traits: {
    customTools: false,
    takes: takenMedia,
    shows: () => false,
    keepsSignatures: true,
    // The patterns that its 400s name for tools[].name and tool_use.id.
    toolName: /^[a-zA-Z0-9_-]{1,128}$/,
    toolCallId: /^[a-zA-Z0-9_-]+$/,
    // OpenAI's projects have a setting for it: https://developers.openai.com/api/docs/guides/fast-mode
    fastWhenAsked: true,
    spelling,
    requestHeaders: ["anthropic-beta", "anthropic-version"],
    requestIdHeader: "request-id",
  },
  readEnvelope,
  decodeRequest,
  encodeRequest,
  decodeResponse,
  encodeResponse,
  decodeStream,
  encodeStream,
  decodeError,
  encodeError,
  encodeStreamError,
  relay,
  parameters,
  operations: { "count-tokens": countTokens },
};
