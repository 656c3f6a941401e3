import OpenAI from "openai";
import type { Gateway } from "./process.ts";

/** A whole answer with its bytes as they came. */
export interface Reply {
  readonly status: number;
  readonly headers: Headers;
  readonly bytes: Buffer;
  readonly text: string;
  /** Our id of the call. */
  readonly callId: string;
  /** The stream ended by itself; `false`: the connection was cut. */
  readonly complete: boolean;
}

export interface CallOptions {
  readonly path?: string;
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
  /** Sees each piece as it comes. */
  readonly onPiece?: (soFar: string) => void;
}

/** Sends `body` (an object is serialised, a text goes as it is) and reads the answer to its end. */
export async function call(
  gateway: Pick<Gateway, "url">,
  key: string | null,
  body: unknown,
  options: CallOptions = {},
): Promise<Reply> {
  const { path = "/v1/chat/completions", method = "POST", headers = {}, signal, onPiece } = options;
  const response = await fetch(`${gateway.url}${path}`, {
    method,
    redirect: "manual",
    headers: {
      "content-type": "application/json",
      ...(key === null ? {} : { authorization: `Bearer ${key}` }),
      ...headers,
    },
    ...(method === "GET" ? {} : { body: bodyOf(body) }),
    ...(signal ? { signal } : {}),
  });
  const parts: Uint8Array[] = [];
  let complete = true;
  try {
    for await (const part of response.body ?? []) {
      parts.push(part);
      onPiece?.(Buffer.concat(parts).toString("utf8"));
    }
  } catch {
    complete = false;
  }
  const bytes = Buffer.concat(parts);
  return {
    status: response.status,
    headers: response.headers,
    bytes,
    text: bytes.toString("utf8"),
    callId: response.headers.get("x-request-id") ?? "",
    complete,
  };
}

const bodyOf = (body: unknown): string | Uint8Array<ArrayBuffer> => {
  if (typeof body === "string") return body;
  // A copy, so that the buffer behind it is a plain one, as `fetch` wants.
  return body instanceof Uint8Array ? new Uint8Array(body) : JSON.stringify(body);
};

/** The official SDK, which knows of the product only its base URL and its key. */
export const openai = (gateway: Gateway, key: string): OpenAI =>
  new OpenAI({ baseURL: `${gateway.url}/v1`, apiKey: key, maxRetries: 0 });

/** A small valid chat body. */
export const chat = (model: string, more: Readonly<Record<string, unknown>> = {}): Record<string, unknown> => ({
  model,
  messages: [{ role: "user", content: "Say hello." }],
  ...more,
});

/** The error of an OpenAI answer; fails when the body has another shape. */
export interface ErrorEnvelope {
  readonly message: string;
  readonly type: string;
  readonly code: string | null;
  readonly param: string | null;
  readonly request_id: string;
  readonly details?: Readonly<Record<string, unknown>>;
}
export function errorOf(text: string): ErrorEnvelope {
  const body: unknown = JSON.parse(text);
  const error =
    typeof body === "object" && body !== null && Object.keys(body).length === 1 && "error" in body ? body.error : null;
  if (typeof error !== "object" || error === null) throw new Error(`not an error envelope: ${text}`);
  const field = (name: string): unknown => Reflect.get(error, name);
  const strings =
    typeof field("message") === "string" &&
    typeof field("type") === "string" &&
    typeof field("request_id") === "string";
  const nullable = [field("code"), field("param")].every((value) => value === null || typeof value === "string");
  const known = Object.keys(error).every((name) =>
    ["message", "type", "code", "param", "request_id", "details"].includes(name),
  );
  if (!strings || !nullable || !known || field("code") === undefined || field("param") === undefined)
    throw new Error(`not an error envelope: ${text}`);
  // Each field was checked above.
  return error as ErrorEnvelope;
}

/** The `data:` of each event of a stream, `[DONE]` included. */
export const dataOf = (text: string): string[] =>
  text
    .split(/\r?\n\r?\n/)
    .flatMap((frame) => frame.split(/\r?\n/).filter((line) => line.startsWith("data:")))
    .map((line) => line.slice(5).trimStart());
