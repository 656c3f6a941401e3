import type { RequestEdit } from "../dialect.ts";
import { type Edit, type Member, objectMembers, splice } from "../json-text.ts";
import { outputCapFields } from "./envelope.ts";

/** Splices the edit into the client's text; `source` is a JSON object with a `model`. */
export function editRequest(source: string, edit: RequestEdit): string {
  const { members = objectMembers(source) } = edit;
  const model = members.find(isModel);
  if (model === undefined) throw new Error("editRequest needs a body that readEnvelope accepted");
  const added: string[] = [];
  const edits: Edit[] = [];
  const written = valueOf(source, model);
  const wanted = JSON.stringify(edit.model);
  // The same name is left as the client wrote it, escapes and all.
  if (written !== wanted && !(written.includes("\\") && JSON.parse(written) === edit.model))
    edits.push(replace(model, wanted));
  if (edit.includeUsage) askForUsage(source, members, edits, added);
  if (edit.maxOutputTokens !== null)
    cap(source, members, edit.maxOutputTokens, edit.maxOutputTokensField, edits, added);
  // Before the model's own edit, and mostly before all others, which saves putting them in order.
  if (added.length > 0) edits.unshift({ start: model.keyStart, end: model.keyStart, text: `${added.join(",")},` });
  return splice(source, edits);
}

function askForUsage(source: string, members: readonly Member[], edits: Edit[], added: string[]): void {
  const options = members.find(({ key }) => key === "stream_options");
  if (options === undefined) {
    added.push('"stream_options":{"include_usage":true}');
    return;
  }
  if (valueOf(source, options) === "null") {
    edits.push(replace(options, '{"include_usage":true}'));
    return;
  }
  const inner = objectMembers(source, options.valueStart);
  const settings = inner.filter(({ key }) => key === "include_usage");
  for (const setting of settings) {
    if (valueOf(source, setting) !== "true") edits.push(replace(setting, "true"));
  }
  if (settings.length > 0) return;
  const at = options.valueStart + 1;
  edits.push({ start: at, end: at, text: `"include_usage":true${inner.length > 0 ? "," : ""}` });
}

/** Every cap the client set is replaced, under its own name; a `null` is none. */
function cap(
  source: string,
  members: readonly Member[],
  tokens: number,
  field: string,
  edits: Edit[],
  added: string[],
): void {
  const before = edits.length;
  for (const member of members) {
    const isCap = member.key === field || capFields.has(member.key);
    if (isCap && valueOf(source, member) !== "null") edits.push(replace(member, String(tokens)));
  }
  if (edits.length > before) return;
  for (const member of members) if (member.key === field) edits.push(replace(member, String(tokens)));
  if (edits.length === before) added.push(`${JSON.stringify(field)}:${tokens}`);
}

const capFields: ReadonlySet<string> = new Set(outputCapFields);
const isModel = ({ key }: Member): boolean => key === "model";
const valueOf = (source: string, { valueStart, valueEnd }: Member) => source.slice(valueStart, valueEnd);
const replace = ({ valueStart, valueEnd }: Member, text: string): Edit => ({ start: valueStart, end: valueEnd, text });
