import type { Dialect } from "../dialect.ts";
import { readEnvelope } from "./envelope.ts";
import { decodeError, encodeError, encodeStreamError } from "./error.ts";
import { relay } from "./relay.ts";
import { decodeRequest, encodeRequest } from "./request.ts";
import { decodeResponse, encodeResponse } from "./response.ts";
import { encodeStream } from "./stream-encode.ts";
import { decodeStream } from "./stream.ts";

/** OpenAI's Chat Completions, and the many protocols that call themselves compatible with it. */
export const openaiChat: Dialect = {
  name: "openai-chat",
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
};
