import type { Buffer } from "node:buffer";
import { createHmac } from "node:crypto";
import { type TSchema, Type } from "@sinclair/typebox";
import type { PlanLine } from "../api/config-service.ts";
import type { Settings } from "../config/settings.ts";
import type { ResolvedPlugin } from "../plugin/load.ts";
import { leavesOf, partsOf, type Place, placeOf } from "../plugin/option-secrets.ts";
import type { Wanted } from "./wanted.ts";

/** A value of a config, as it may be shown. */
interface Fact {
  readonly text: string;
  /** Of what the text hides. */
  readonly digest?: string;
}
type Facts = Readonly<Record<string, Fact>>;
/**
 * What a config says, its defaults among it: by what an operator adds or takes away at once (`server`, `provider.openai`,
 * `models.fast`), then by the path below that; an empty path is the whole.
 */
export type ConfigFacts = Readonly<Record<string, Facts>>;

const longest = 160;

/** @param key 32 bytes, without which the digests of secrets tell nothing. */
export function factsOf({ loaded, settings, resolved }: Wanted, key: Buffer): ConfigFacts {
  const { models, prices, limits, keys } = loaded.config;
  const digest = (text: string) => createHmac("sha256", key).update(text).digest("hex").slice(0, 16);
  const leaves = leavesWith(loaded.source.mask, digest);
  const unit = (name: string, value: unknown, schema: TSchema | null = null): [string, Facts] => [
    name,
    Object.fromEntries(leaves("", value, placeOf(schema))),
  ];

  const { dataDir: _folder, ...server } = settings;
  return Object.fromEntries([
    unit("server", server, anything),
    ...resolved.map(({ kind, name, plugin, options }) =>
      unit(`${kind}.${name}`, { use: plugin.name, ...options }, plugin.config),
    ),
    ...Object.entries(models).map(([name, alias]) => unit(`models.${name}`, alias)),
    ...numbered(prices, ({ target }) => target).map(([name, row]) => unit(`prices.${name}`, row)),
    ...numbered(limits, ({ scope: { kind, id } }) => `${kind}:${id ?? "each"}`).map(([name, { scope: _, ...row }]) =>
      unit(`limits.${name}`, row),
    ),
    ...keys.map(({ secret, ...terms }) =>
      unit(`keys.${terms.name}`, { ...terms, secret: Object.values(secret)[0] }, anything),
    ),
  ]);
}

/** The options of an instance as they may be shown, by their paths. `mask` covers what its config has from outside. */
export function optionsShown(
  { plugin, options }: Pick<ResolvedPlugin, "plugin" | "options">,
  mask: (text: string) => string,
): Readonly<Record<string, string>> {
  if (Object.keys(options).length === 0) return {};
  const leaves = leavesWith(mask, () => "");
  return Object.fromEntries([...leaves("", options, placeOf(plugin.config))].map(([path, { text }]) => [path, text]));
}

/** Walks a value down to what is shown in one text. */
function leavesWith(mask: (text: string) => string, digest: (text: string) => string) {
  return leaves;

  /** A list is told as one, so a secret in it hides all of it. */
  function factOf(value: unknown, place: Place): Fact {
    const text = JSON.stringify(value);
    const hides = [...leavesOf(value, place)].some((leaf) => leaf.isSecret || hasPassword(leaf.value));
    if (hides || mask(text) !== text) return { text: "***", digest: digest(text) };
    const plain = typeof value === "string" ? value : text;
    const shown = plain.replace(address, withoutPath);
    if (shown === plain && plain.length <= longest) return { text: plain };
    return { text: shown.length <= longest ? shown : `${shown.slice(0, longest)}…`, digest: digest(text) };
  }
  function* leaves(path: string, value: unknown, place: Place): Generator<[string, Fact], void> {
    if (value === undefined) return;
    const below = isMap(value) ? [...partsOf(value, place)] : [];
    if (below.length === 0) {
      yield [path, factOf(value, place)];
      return;
    }
    for (const [name, one, at] of below) yield* leaves(path === "" ? name : `${path}.${name}`, one, at);
  }
}

/** What changes from one to the other; what comes or goes whole is one line. */
export function planOf(before: ConfigFacts, after: ConfigFacts): readonly PlanLine[] {
  const units = [...new Set([...Object.keys(before), ...Object.keys(after)])].toSorted();
  return units.flatMap((unit): readonly PlanLine[] => {
    const [old, next] = [before[unit], after[unit]];
    if (old && next) return changesIn(unit, old, next);
    return [lineOf(unit, old && wholeOf(old), next && wholeOf(next))];
  });
}

/** Made once, as the storage is: a reload cannot change it. */
export const ofTheStart: Readonly<Record<string, (settings: Settings) => unknown>> = {
  "server.host": ({ host }) => host,
  "server.port": ({ port }) => port,
  "server.timeouts.clientMs": ({ timeouts }) => timeouts.clientMs,
};
const needsRestart = (path: string): boolean => path.startsWith("storage.") || path in ofTheStart;

function changesIn(unit: string, old: Facts, next: Facts): readonly PlanLine[] {
  const paths = [...new Set([...Object.keys(old), ...Object.keys(next)])].toSorted();
  return paths.flatMap((path) => {
    const [before, after] = [old[path], next[path]];
    if (before?.text === after?.text && before?.digest === after?.digest) return [];
    return [lineOf(path === "" ? unit : `${unit}.${path}`, before, after)];
  });
}

const lineOf = (path: string, before: Fact | undefined, after: Fact | undefined): PlanLine => ({
  change: before ? (after ? "changed" : "removed") : "added",
  path,
  before: before?.text ?? null,
  after: after?.text ?? null,
  needsRestart: needsRestart(path),
});

/** In one line. */
function wholeOf(facts: Facts): Fact {
  const { use, targets } = facts;
  const text = Object.entries(facts).map(([path, fact]) => `${path.split(".").at(-1)} ${fact.text}`);
  return use ?? targets ?? { text: text.join(", ").slice(0, longest) };
}

/** Of what has no schema of its own here, where names alone tell secrets. */
const anything = Type.Object({});

const isMap = (value: unknown): value is object => typeof value === "object" && value !== null && !Array.isArray(value);

const hasPassword = (value: unknown): boolean =>
  typeof value === "string" && Boolean(URL.parse(value)?.password || URL.parse(value)?.username);

const address = /\bhttps?:\/\/[^\s"]+/g;

/** The path of an address may be what it opens with: only one that is too short for that stays. */
function withoutPath(text: string): string {
  const url = URL.parse(text);
  if (!url) return "…";
  const { username, password, pathname, search, hash, origin } = url;
  const isPlain = username === "" && password === "" && search === "" && hash === "" && pathname.length <= 12;
  return isPlain ? text : `${origin}/…`;
}

/** Rows by what they are about; of several about the same, the later ones are numbered. */
function numbered<Row>(rows: readonly Row[], nameOf: (row: Row) => string): readonly (readonly [string, Row])[] {
  const seen = new Map<string, number>();
  return rows.map((row) => {
    const name = nameOf(row);
    const times = (seen.get(name) ?? 0) + 1;
    seen.set(name, times);
    return [times === 1 ? name : `${name} (${times})`, row];
  });
}
