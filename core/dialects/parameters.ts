import { isJsonArray, isJsonObject, type Json, type JsonObject } from "../chat/json.ts";
import { leftOut, type ParameterName, type Parameters } from "../chat/parameters.ts";
import type { Dialect } from "./dialect.ts";
import { type Edit, type Member, objectMembers, splice } from "./json-text.ts";
import { type Asking, onlyAt, wordsFor } from "./parameter-words.ts";

/** Where a protocol's requests say each setting: a field, or a field of an object. A setting without a place is not sayable. */
export interface ParameterPlaces {
  readonly paths: Readonly<Partial<Record<ParameterName, readonly ParameterPath[]>>>;
  /** A list of names, and those that ask for more of a setting: they go with it. */
  readonly listed?: {
    readonly field: string;
    readonly names: Readonly<Partial<Record<ParameterName, string>>>;
  };
  /** Whether one is taken has nothing to do with what else a request says, so that it need not be read for that. */
  readonly independent?: true;
  /** `topP` and `top_p` are one name (protocol buffers). */
  readonly eitherCase?: true;
}
export type ParameterPath = readonly [field: string, inner?: string];

/** A chat request in the client's own bytes, but for what its target's operator drops or sets. Each warning is a sentence. */
export function editParameters(
  source: string,
  { drop, defaults }: Parameters,
  { dialect, model, cap, request }: Asking,
): { readonly text: string; readonly warnings: readonly string[] } {
  const { paths } = dialect.parameters;
  const { maxOutputTokens: _, ...settings } = defaults;
  const { listed } = dialect.parameters;
  const body = bodyOf(source);
  const dropped = drop.filter((name) => isGiven(body, name) || isListed(body, name, listed));
  const places = dropped.flatMap((name) => paths[name] ?? []);
  const kept = removed(listed ? unlisted(body, dropped, listed) : body, places, dialect);
  const warnings = dropped.map(leftOut);
  // Their names are those of settings.
  const missing = (Object.keys(settings) as (keyof typeof settings)[]).filter((name) => !isGiven(kept, name));
  if (missing.length === 0) return { text: kept.text, warnings };
  const wanted = Object.fromEntries(missing.map((name) => [name, settings[name]]));
  const wantedAt = missing.flatMap((name) => paths[name] ?? []);
  const said = wordsFor({ drop: dropped, defaults: wanted }, { dialect, model, cap, request });
  const room = removed(kept, [...wantedAt, ...said.gone], dialect);
  const text = joined(room, onlyAt(wantedAt, said.fields), dialect);
  return { text, warnings: [...warnings, ...said.warnings] };

  /** A `null` says nothing. */
  function isGiven(within: Body, name: ParameterName): boolean {
    const found = membersAt(within, paths[name] ?? [], dialect);
    return found.some(({ of }) => of.some((member) => valueOf(within, member) !== "null"));
  }
}

/** The text of an object, and its own members: looked for once, because a request may be megabytes long. */
interface Body {
  readonly text: string;
  readonly members: readonly Member[];
}
const bodyOf = (text: string): Body => ({ text, members: objectMembers(text) });
const valueOf = ({ text }: Body, { valueStart, valueEnd }: Member): string => text.slice(valueStart, valueEnd);

/** Members of one object that are meant, among all that it has. */
interface Found {
  readonly all: readonly Member[];
  readonly of: readonly Member[];
}

function membersAt({ text, members: all }: Body, paths: readonly ParameterPath[], dialect: Dialect): readonly Found[] {
  if (paths.length === 0) return [];
  const isNamed = sameName(dialect);
  const whole = all.filter(({ key }) => paths.some(([field, inner]) => inner === undefined && isNamed(field, key)));
  const inner = all.flatMap((member) => {
    const names = paths.flatMap(([field, name]) => (name !== undefined && isNamed(field, member.key) ? [name] : []));
    if (names.length === 0 || whole.includes(member) || text[member.valueStart] !== "{") return [];
    const fields = objectMembers(text, member.valueStart);
    return [{ all: fields, of: fields.filter(({ key }) => names.some((name) => isNamed(name, key))) }];
  });
  return [{ all, of: whole }, ...inner].filter(({ of }) => of.length > 0);
}

const sameName = ({ parameters: { eitherCase } }: Dialect): ((one: string, other: string) => boolean) =>
  eitherCase ? (one, other) => one === other || folded(one) === folded(other) : (one, other) => one === other;
const folded = (name: string): string => name.replaceAll("_", "").toLowerCase();

/** Without what stands at the paths, and the commas that go with it. */
function removed(body: Body, paths: readonly ParameterPath[], dialect: Dialect): Body {
  const edits = membersAt(body, paths, dialect).flatMap(({ all, of }) => removals(all, new Set(of)));
  return edits.length === 0 ? body : bodyOf(splice(body.text, edits));
}

function removals(all: readonly Member[], gone: ReadonlySet<Member>): readonly Edit[] {
  const [first] = all;
  const last = all.at(-1);
  if (first && last && gone.size === all.length) return [{ start: first.keyStart, end: last.valueEnd, text: "" }];
  const lastKept = all.findLastIndex((member) => !gone.has(member));
  return all.flatMap((member, at) => {
    if (!gone.has(member)) return [];
    const next = all[at + 1];
    const before = all[at - 1];
    if (at < lastKept && next) return [{ start: member.keyStart, end: next.keyStart, text: "" }];
    return before ? [{ start: before.valueEnd, end: member.valueEnd, text: "" }] : [];
  });
}

type Listed = NonNullable<ParameterPlaces["listed"]>;

const listIn = (body: Body, { field }: Listed) => {
  const member = body.members.find(({ key }) => key === field);
  const list: Json = member ? JSON.parse(valueOf(body, member)) : null;
  return member && isJsonArray(list) ? { member, list } : null;
};

function isListed(body: Body, name: ParameterName, listed: Listed | undefined): boolean {
  const word = listed?.names[name];
  return listed !== undefined && word !== undefined && listIn(body, listed)?.list.includes(word) === true;
}

function unlisted(body: Body, dropped: readonly ParameterName[], listed: Listed): Body {
  const words = new Set<Json>(dropped.flatMap((name) => listed.names[name] ?? []));
  const found = words.size > 0 ? listIn(body, listed) : null;
  if (!found || !found.list.some((one) => words.has(one))) return body;
  const { member, list } = found;
  const left = list.filter((one) => !words.has(one));
  const edits =
    left.length === 0
      ? removals(body.members, new Set([member]))
      : [{ start: member.valueStart, end: member.valueEnd, text: JSON.stringify(left) }];
  return bodyOf(splice(body.text, edits));
}

/** With `fields` in front, those of objects that are there already inside them. What is there stays. */
function joined(body: Body, fields: JsonObject, dialect: Dialect): string {
  const { text: source, members } = body;
  const isNamed = sameName(dialect);
  const edits: Edit[] = [];
  const fresh: string[] = [];
  for (const [key, value] of Object.entries(fields)) {
    const there = members.find((member) => isNamed(key, member.key));
    if (there === undefined) {
      fresh.push(`${JSON.stringify(key)}:${JSON.stringify(value)}`);
      continue;
    }
    const { valueStart: start, valueEnd: end } = there;
    const old = valueOf(body, there);
    if (isJsonObject(value) && old.startsWith("{"))
      edits.push({ start, end, text: joined(bodyOf(old), value, dialect) });
    else if (old === "null") edits.push({ start, end, text: JSON.stringify(value) });
  }
  const start = source.indexOf("{") + 1;
  if (fresh.length > 0) edits.push({ start, end: start, text: `${fresh.join(",")}${members.length > 0 ? "," : ""}` });
  return splice(source, edits);
}
