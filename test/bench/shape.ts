/** What the load asks for, known to the load and the upstream. */

export const eventsPerStream = 200;
/** Time between two events of a paced stream. */
export const paceMs = 10;

export type Kind = "json" | "burst" | "paced" | "translated" | "translatedPaced";

const message = { role: "user", content: "y".repeat(900) };
const body = (more: object): string => JSON.stringify({ model: "mock/m", ...more, messages: [message] });

/** About 1 KB each. */
const bodies: Readonly<Record<Kind, string>> = {
  json: body({}),
  burst: body({ stream: true }),
  paced: body({ stream: true, user: "paced" }),
  translated: body({ stream: true, max_tokens: 4_096 }),
  translatedPaced: body({ stream: true, max_tokens: 4_096, metadata: { user_id: "paced" } }),
};

const isTranslated = (kind: Kind): boolean => kind === "translated" || kind === "translatedPaced";

/** A whole HTTP request. `key`: of the proxy; others answer whoever asks, and know one path. */
export function requestOf(kind: Kind, key?: string): Buffer {
  // Asked as an Anthropic client asks, of an upstream that speaks OpenAI's chat completions.
  const path = key !== undefined && isTranslated(kind) ? "/v1/messages" : "/v1/chat/completions";
  const text = bodies[kind];
  return Buffer.from(
    `POST ${path} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer ${key ?? "none"}\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(text)}\r\n\r\n${text}`,
  );
}
