import type { Dialect } from "../dialect.ts";
import { encodeError } from "../openai-chat/error.ts";
import { decodeError } from "../vendor-error.ts";
import { readEnvelope } from "./envelope.ts";
import { encodeStreamError } from "./error.ts";
import { spelling } from "./kept.ts";
import { encodeImage } from "./output.ts";
import { parameters } from "./parameters.ts";
import { takenMedia } from "./parts.ts";
import { relay } from "./relay.ts";
import { decodeRequest, encodeRequest } from "./request.ts";
import { decodeResponse, encodeResponse } from "./response.ts";
import { encodeStream } from "./stream-encode.ts";
import { decodeStream } from "./stream.ts";

/** OpenAI's Responses, and the servers that speak it too. */
export const openaiResponses: Dialect = {
  name: "openai-responses",
  traits: {
    customTools: true,
    keepsSignatures: true,
    // https://platform.openai.com/docs/api-reference/responses: names of tools and ids of calls as its schema bounds them.
    toolName: /^[a-zA-Z0-9_-]{1,128}$/,
    toolCallId: /^.{1,64}$/s,
    objectFormats: true,
    takes: takenMedia,
    shows: (part) => encodeImage(part) !== null,
    spelling,
    requestHeaders: ["openai-beta"],
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
  operations: {},
};
