import { GatewayError } from "../chat/error.ts";
import { readBody } from "../runtime/read-body.ts";

/** The body of a request. Throws what its sender may know: that it is too large, that it did not come to its end, or what `hold` throws. */
export async function wholeBody(
  request: Request,
  maxBytes: number,
  hold?: (bytes: number) => void,
): Promise<Uint8Array> {
  let bytes: Uint8Array | null;
  try {
    bytes = await readBody(request, maxBytes, hold);
  } catch (cause) {
    if (cause instanceof GatewayError) throw cause;
    throw new GatewayError("invalid-request", "the body did not arrive whole", { cause });
  }
  if (bytes === null) throw new GatewayError("request-too-large", `the body is larger than ${maxBytes} bytes`);
  return bytes;
}

// A byte order mark is not JSON (RFC 8259 §8.1): kept, so that the parser refuses it.
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Of a body that is to be JSON. Throws `invalid-request`. */
export function textOf(bytes: Uint8Array): string {
  try {
    return decoder.decode(bytes);
  } catch {
    throw new GatewayError("invalid-request", "the body is not valid UTF-8");
  }
}
