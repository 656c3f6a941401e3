import type { Dialect } from "../dialect.ts";
import { countTokens } from "./count-tokens.ts";
import { embeddings } from "./embeddings.ts";
import { readEnvelope } from "./envelope.ts";
import { decodeError, encodeError, encodeStreamError } from "./error.ts";
import { spelling } from "./kept.ts";
import { parameters } from "./parameters.ts";
import { relay } from "./relay.ts";
import { decodeRequest, encodeRequest } from "./request.ts";
import { decodeResponse, encodeResponse } from "./response.ts";
import { encodeStream } from "./stream-encode.ts";
import { decodeStream } from "./stream.ts";

/** Google's `generateContent` and `streamGenerateContent`, of the Gemini API and of Vertex. */
export const gemini: Dialect = {
  name: "gemini",
  traits: {
    customTools: false,
    takes: (part) => (part.source.by === "id" ? null : part),
    shows: (part) => part.source.by !== "id",
    keepsSignatures: true,
    signsCalls: true,
    textInPieces: true,
    // https://ai.google.dev/api/caching#FunctionDeclaration; Vertex has 64 characters, and a letter or underscore first.
    toolName: /^[a-zA-Z_][a-zA-Z0-9_.:-]{0,63}$/,
    toolCallId: /^[\s\S]+$/,
    spelling,
    requestHeaders: [],
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
  operations: { embeddings, "count-tokens": countTokens },
};
