import type { RequestEdit } from "../dialect.ts";
import { type Edit, type Member, objectMembers, splice } from "../json-text.ts";

/** Splices the edit into the client's text; `source` is a JSON object with a `model`. Usage is always told. */
export function editRequest(source: string, edit: RequestEdit): string {
  const { members = objectMembers(source) } = edit;
  const model = members.find(({ key }) => key === "model");
  if (model === undefined) throw new Error("editRequest needs a body that readEnvelope accepted");
  const edits: Edit[] = [];
  // The same name is left as the client wrote it, escapes and all.
  if (JSON.parse(source.slice(model.valueStart, model.valueEnd)) !== edit.model) {
    edits.push(replace(model, JSON.stringify(edit.model)));
  }
  if (edit.maxOutputTokens !== null) {
    const caps = members.filter(({ key }) => key === "max_tokens");
    for (const cap of caps) edits.push(replace(cap, String(edit.maxOutputTokens)));
    if (caps.length === 0) {
      edits.push({ start: model.keyStart, end: model.keyStart, text: `"max_tokens":${edit.maxOutputTokens},` });
    }
  }
  return splice(source, edits);
}

const replace = ({ valueStart, valueEnd }: Member, text: string): Edit => ({ start: valueStart, end: valueEnd, text });
