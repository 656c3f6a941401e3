import type { Capability } from "../chat/capability.ts";
import type { Operation } from "../dialects/dialect.ts";
import type { TreeTerms } from "./account-terms.ts";
import { likelyInput } from "./estimate.ts";
import { meansText } from "./glob.ts";
import type { Choice } from "./strategy.ts";

/** What an operator holds a target of an alias to. All of it must hold; of several values one. */
export interface Conditions {
  /**
   * Metadata of the topmost account, of the caller's and those above it, that has that name, as was set from above all;
   * values perhaps with `*`.
   */
  readonly account?: Readonly<Record<string, readonly string[]>>;
  /** By their names in lower case; values perhaps with `*`. */
  readonly headers?: Readonly<Record<string, readonly string[]>>;
  readonly operations?: readonly Operation[];
  readonly content?: { readonly with: readonly Capability[]; readonly without: readonly Capability[] };
  /** Of the likely input. */
  readonly tokens?: { readonly above?: number; readonly upTo?: number };
}
export type ConditionKind = keyof Conditions;

/** The first condition that does not hold; `null`: all do. `needs`: asked for only where the content counts. */
export function unmetOf(
  { account, headers, operations, content, tokens }: Conditions,
  choice: Choice,
  terms: TreeTerms,
  needs: () => ReadonlySet<Capability>,
): ConditionKind | null {
  if (operations && !operations.includes(choice.endpoint.operation)) return "operations";
  if (tokens) {
    const likely = likelyInput(choice.envelope.input);
    const { above = -1, upTo = Infinity } = tokens;
    if (likely <= above || likely > upTo) return "tokens";
  }
  if (headers && !allMeant(headers, (name) => valuesIn(choice.headers?.get(name) ?? null))) return "headers";
  if (account && !allMeant(account, (name) => tagOf(name, terms))) return "account";
  if (content) {
    const asked = needs();
    if (!content.with.every((one) => asked.has(one)) || content.without.some((one) => asked.has(one))) return "content";
  }
  return null;
}

/** Metadata of accounts that aliases go by. */
export const routingTags = (
  aliases: readonly { readonly targets: readonly { readonly when?: Conditions }[] }[],
): ReadonlySet<string> =>
  new Set(aliases.flatMap(({ targets }) => targets.flatMap(({ when }) => Object.keys(when?.account ?? {}))));

/** Of several values of one name one is enough. */
const allMeant = (
  wanted: Readonly<Record<string, readonly string[]>>,
  valuesOf: (name: string) => readonly string[],
): boolean =>
  Object.entries(wanted).every(([name, patterns]) =>
    valuesOf(name).some((value) => patterns.some((pattern) => meansText(pattern, value))),
  );

/** A header given more than once comes as one, its values joined by commas (RFC 9110 §5.3), which others have inside. */
function valuesIn(header: string | null): readonly string[] {
  if (header === null) return [];
  return header.includes(",") ? [header, ...header.split(",").map((value) => value.trim())] : [header];
}

/**
 * The topmost account that has it decides: whoever changes accounts below it does not change where their calls go. Nor do
 * people of an account by what they set before any alias went by it.
 */
function tagOf(name: string, terms: TreeTerms): readonly string[] {
  for (const { metadata, metadataBelow } of terms.toReversed())
    if (Object.hasOwn(metadata, name) && !metadataBelow.includes(name)) return [metadata[name] ?? ""];
  return [];
}
