import type { Dialect, Operation, OperationCodec } from "./dialect.ts";

/** What is needed to admit a call of one operation and to pass its bytes on, without decoding it. */
export type WireCodec = Pick<OperationCodec<unknown, unknown>, "readEnvelope" | "editRequest" | "meterResponse">;

/** `null`: the dialect has no words for the operation. */
export function codecOf(dialect: Dialect, operation: Operation): WireCodec | null {
  if (operation === "chat") return chatCodec(dialect);
  if (operation === "embeddings" || operation === "count-tokens") return dialect.operations[operation] ?? null;
  return null;
}

/** Made once for each dialect: every call asks. */
const chatCodecs = new WeakMap<Dialect, WireCodec>();

function chatCodec(dialect: Dialect): WireCodec {
  const known = chatCodecs.get(dialect);
  if (known) return known;
  const made: WireCodec = {
    readEnvelope: (body, bytes, path) => dialect.readEnvelope(body, bytes, path),
    editRequest: (source, edit) => dialect.relay.editRequest(source, edit),
    meterResponse: (body) => dialect.relay.meterResponse(body),
  };
  chatCodecs.set(dialect, made);
  return made;
}
