import type { Dialect } from "../dialect.ts";
import { embeddings } from "./embeddings.ts";
import { readEnvelope } from "./envelope.ts";
import { decodeError } from "../vendor-error.ts";
import { encodeError, encodeStreamError } from "./error.ts";
import { takenMedia } from "./foreign-media.ts";
import { encodeShown } from "./images.ts";
import { spelling } from "./kept.ts";
import { isAudio } from "./messages.ts";
import { parameters } from "./parameters.ts";
import { relay } from "./relay.ts";
import { decodeRequest, encodeRequest } from "./request.ts";
import { decodeResponse, encodeResponse } from "./response.ts";
import { encodeStream } from "./stream-encode.ts";
import { decodeStream } from "./stream.ts";

/** OpenAI's Chat Completions, and the many protocols that call themselves compatible with it. */
export const openaiChat: Dialect = {
  name: "openai-chat",
  traits: {
    customTools: true,
    keepsSignatures: false,
    // https://platform.openai.com/docs/api-reference/chat/create: names of functions have at most 64 characters.
    toolName: /^[a-zA-Z0-9_-]{1,64}$/,
    // "string too long. Expected a string with maximum length 40": its answer to longer ones.
    toolCallId: /^.{1,40}$/s,
    objectFormats: true,
    takes: takenMedia,
    shows: (part) => isAudio(part) || encodeShown(part) !== null,
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
  operations: { embeddings },
};
