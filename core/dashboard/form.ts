import { GatewayError } from "../chat/error.ts";

/** The fields of a submitted form; `null` for any other kind of body. Throws `request-too-large`. */
export async function readForm(request: Request): Promise<URLSearchParams | null> {
  const type = request.headers.get("content-type")?.split(";")[0]?.trim().toLowerCase();
  if (type !== "application/x-www-form-urlencoded") return null;
  return new URLSearchParams(await readText(request.body));
}

/** More than any form here can need. */
const maxBytes = 65_536;

async function readText(body: ReadableStream<Uint8Array> | null): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  let bytes = 0;
  try {
    for await (const chunk of body ?? []) {
      bytes += chunk.byteLength;
      if (bytes > maxBytes) throw new GatewayError("request-too-large", "The form is too large.");
      text += decoder.decode(chunk, { stream: true });
    }
  } catch (cause) {
    if (cause instanceof GatewayError) throw cause;
    throw new GatewayError("invalid-request", "The form did not arrive whole.", { cause });
  }
  return text + decoder.decode();
}
