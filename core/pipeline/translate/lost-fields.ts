import { isJsonArray, isJsonObject, type Json, type JsonObject } from "../../chat/json.ts";
import type { ChatRequest, Part } from "../../chat/request.ts";
import type { Dialect, Traits } from "../../dialects/dialect.ts";
import { isEmpty, ownExtensions } from "../../dialects/extensions.ts";

/**
 * The fields of tools, messages and parts that only the client's dialect has a word for, each as a sentence. Those of the
 * whole request the target's codec names. What the model said comes back as it was and asks for nothing.
 */
export function lostFields(
  request: ChatRequest,
  { name: client, traits }: Dialect,
  target: Dialect,
): readonly string[] {
  const lost = new Set<string>();
  const look = ({ extensions }: { readonly extensions?: JsonObject }) => {
    if (extensions === undefined) return;
    for (const field of fieldsOf(ownExtensions(client, extensions), traits)) lost.add(field);
  };
  for (const tool of request.tools) if (tool.type !== "server") look(tool);
  for (const message of request.messages) {
    if (message.role === "assistant") continue;
    look(message);
    for (const part of message.parts) lookAt(part);
  }
  return [...lost].map((field) => `${target.name} cannot say '${field}'; left out`);

  function lookAt(part: Part): void {
    // What is left out whole is named as a whole, and what is kept whole is said in other words.
    if (part.type === "other" || ownExtensions(client, part.extensions)["type"] !== undefined) return;
    look(part);
    if (part.type === "tool-result") for (const inner of part.parts) lookAt(inner);
  }
}

function* fieldsOf(kept: JsonObject, { spelling: { ownWords, objects } }: Traits): Generator<string> {
  for (const [field, value] of Object.entries(kept)) {
    if (ownWords.has(field) || asksNothing(value)) continue;
    if (!objects.has(field) || !isJsonObject(value)) yield field;
    else
      for (const [inner, one] of Object.entries(value))
        if (!ownWords.has(inner) && !asksNothing(one)) yield `${field}.${inner}`;
  }
}

/** What goes without saying: nothing, no, and that only the model itself calls a tool. */
const asksNothing = (value: Json | undefined): boolean =>
  value === undefined ||
  value === null ||
  value === false ||
  value === "" ||
  (isJsonArray(value) && value.every((one) => one === "direct")) ||
  (isJsonObject(value) && isEmpty(value));
