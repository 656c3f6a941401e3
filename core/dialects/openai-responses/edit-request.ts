import type { RequestEdit } from "../dialect.ts";
import { type Edit, type Member, objectMembers, splice } from "../json-text.ts";

/**
 * Splices the edit into the client's text; `source` is a JSON object with a `model`. Usage is always reported. In the
 * background an answer would be written, and billed, to its end when nobody is there any more to hear what it used.
 */
export function editRequest(
  source: string,
  { model, maxOutputTokens, members = objectMembers(source) }: RequestEdit,
): string {
  const named = members.find(({ key }) => key === "model");
  if (named === undefined) throw new Error("editRequest needs a body that readEnvelope accepted");
  const edits: Edit[] = [];
  // The same name is left as the client wrote it, escapes and all.
  if (JSON.parse(source.slice(named.valueStart, named.valueEnd)) !== model) {
    edits.push(replace(named, JSON.stringify(model)));
  }
  if (maxOutputTokens !== null) {
    const cap = members.find(({ key }) => key === outputCapField);
    if (cap !== undefined) edits.push(replace(cap, String(maxOutputTokens)));
    else {
      const at = named.keyStart;
      edits.push({ start: at, end: at, text: `"${outputCapField}":${maxOutputTokens},` });
    }
  }
  for (const member of members) {
    const isBackground = member.key === "background" && source.startsWith("true", member.valueStart);
    if (isBackground) edits.push(replace(member, "false"));
  }
  return splice(source, edits);
}

export const outputCapField = "max_output_tokens";

const replace = ({ valueStart, valueEnd }: Member, text: string): Edit => ({ start: valueStart, end: valueEnd, text });
