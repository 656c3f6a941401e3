import type { JsonObject } from "../../chat/json.ts";
import type { Part } from "../../chat/request.ts";

/*
 * Other vendors sign text and calls of tools, for which this protocol has no field. Its clients give redacted thinking back
 * as they got it, so such a signature follows its block as a block of that kind, which says what it belongs to.
 */

type Signed = "text" | "tool_use";

export const signatureBlocks = (of: Signed, signature: string | undefined): readonly JsonObject[] =>
  signature === undefined ? [] : [{ type: "redacted_thinking", data: `${of}:${signature}` }];

/** The parts with a signature in the place of `block`, the block after them; `null`: it is no such block. */
export function withSignature(parts: readonly Part[], block: JsonObject): readonly Part[] | null {
  const { type, data } = block;
  if (type !== "redacted_thinking" || typeof data !== "string") return null;
  const [, of, signature] = /^(text|tool_use):([^]+)$/.exec(data) ?? [];
  if (signature === undefined) return null;
  const last = parts.at(-1);
  if (last?.type === "text" && of === "text") return parts.with(-1, { ...last, signature });
  if (last?.type === "tool-call" && of === "tool_use") return parts.with(-1, { ...last, signature });
  // Clients drop empty text, which is where one vendor puts its signatures. One of a call that is not there is of no use.
  return of === "text" ? [...parts, { type: "text", text: "", signature }] : parts;
}
