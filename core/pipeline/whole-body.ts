import { GatewayError } from "../chat/error.ts";
import { readBody } from "../runtime/read-body.ts";

/** The body of a request. Throws what its sender may know: that it is too large, that it did not come to its end, or what `hold` throws. */
export async function wholeBody(
  request: Request,
  maxBytes: number,
  hold?: (bytes: number) => void,
): Promise<Uint8Array> {
  try {
    return within(maxBytes, await readBody(request, maxBytes, hold));
  } catch (cause) {
    throw bodyFault(cause);
  }
}

/** `bytes`: as `readBody` gives them. */
export function within(maxBytes: number, bytes: Uint8Array | null): Uint8Array {
  if (bytes === null) throw new GatewayError("request-too-large", `the body is larger than ${maxBytes} bytes`);
  return bytes;
}

/** What its sender is told of a body that could not be read. */
export const bodyFault = (cause: unknown): GatewayError =>
  cause instanceof GatewayError
    ? cause
    : new GatewayError("invalid-request", "the body did not arrive whole", { cause });
