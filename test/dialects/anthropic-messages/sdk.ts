import Anthropic from "@anthropic-ai/sdk";
import type { BetaMessage } from "@anthropic-ai/sdk/resources/beta/messages";

const ask = { model: "m", max_tokens: 9, messages: [{ role: "user" as const, content: "hi" }] };

/** What the official SDK makes of a stream's text. Throws what the SDK throws. */
export async function accumulated(sse: string): Promise<BetaMessage> {
  return await client(sse, "text/event-stream").beta.messages.stream(ask).finalMessage();
}

const client = (body: string, contentType: string) =>
  new Anthropic({
    apiKey: "k",
    maxRetries: 0,
    fetch: () => Promise.resolve(new Response(body, { headers: { "content-type": contentType } })),
  });
