import type { RequestEdit } from "../dialect.ts";
import { type Edit, type Member, objectMembers, splice } from "../json-text.ts";
import { capFields, configFields } from "./envelope.ts";

/**
 * Splices the edit into the client's text. The model is in the path; where the body repeats it, as Google's older clients
 * do, it is made to agree. Usage is always reported.
 */
export function editRequest(
  source: string,
  { model, maxOutputTokens, members = objectMembers(source) }: RequestEdit,
): string {
  const edits = modelEdits(source, members, model);
  if (maxOutputTokens !== null) edits.push(...capEdits(source, members, maxOutputTokens));
  return edits.length === 0 ? source : splice(source, edits);
}

/** The edits that make the `model` of an object agree, `models/` in front of it or not as it was. */
export function modelEdits(source: string, members: readonly Member[], model: string): Edit[] {
  return members.flatMap((member) => {
    if (member.key !== "model") return [];
    const value: unknown = JSON.parse(valueOf(source, member));
    if (typeof value !== "string") return [];
    const name = value.startsWith(prefix) ? `${prefix}${withoutPrefix(model)}` : model;
    return name === value ? [] : [replace(member, JSON.stringify(name))];
  });
}

const prefix = "models/";
export const withoutPrefix = (model: string) => (model.startsWith(prefix) ? model.slice(prefix.length) : model);

/** Every cap that the client set is replaced, in its own spelling; a `null` is none. */
function capEdits(source: string, members: readonly Member[], tokens: number): Edit[] {
  const configs = members.filter(({ key }) => configFields.some((field) => field === key));
  const objects = configs.filter((config) => source[config.valueStart] === "{");
  const inner = objects.map((config) => ({ config, fields: objectMembers(source, config.valueStart) }));
  const caps = inner.flatMap(({ fields }) => fields.filter(({ key }) => capFields.some((field) => field === key)));
  const set = caps.filter((cap) => valueOf(source, cap) !== "null");
  if (set.length > 0) return set.map((cap) => replace(cap, String(tokens)));
  const [first] = inner;
  if (first === undefined) {
    const given = configs[0];
    const text = `{"maxOutputTokens":${tokens}}`;
    if (given !== undefined) return [replace(given, text)];
    const at = source.indexOf("{") + 1;
    return [{ start: at, end: at, text: `"generationConfig":${text}${members.length > 0 ? "," : ""}` }];
  }
  const [empty] = caps;
  if (empty !== undefined) return [replace(empty, String(tokens))];
  const at = first.config.valueStart + 1;
  const { key } = first.config;
  const name = key === "generation_config" ? "max_output_tokens" : "maxOutputTokens";
  return [{ start: at, end: at, text: `"${name}":${tokens}${first.fields.length > 0 ? "," : ""}` }];
}

const valueOf = (source: string, { valueStart, valueEnd }: Member) => source.slice(valueStart, valueEnd);
const replace = ({ valueStart, valueEnd }: Member, text: string): Edit => ({ start: valueStart, end: valueEnd, text });
