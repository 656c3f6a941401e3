import type { AccountLookup, BookEntry, ChargeRow, ChargeTerms, RatedTerms, Target } from "llm-proxy/plugin";
import { createHash } from "node:crypto";
import { type Decimal, decimals, parseDecimal } from "./decimal.ts";
import { meansTarget, rankOf } from "./target-pattern.ts";
import { always, type Dated, type Timeline, timelineOf } from "./timeline.ts";

/** Terms ready for arithmetic: charge = cost × `times` ÷ `scale` + `fee`. */
export interface Terms {
  readonly shown: RatedTerms;
  readonly times: bigint;
  readonly fee: Decimal;
}
/** 100 percent as a decimal, for each of the two factors of `times`. */
const hundred = 100n * 10n ** BigInt(decimals);
export const scale = hundred * hundred;

export interface Charges {
  /** `null`: the charge is the cost. `accounts`: who pays and its parents, nearest first. */
  find(target: Pick<Target, "provider" | "model">, accounts: readonly string[]): Timeline<Terms | null> | null;
  adopt(entries: readonly BookEntry[]): void;
}

/**
 * Terms that were set through the API and the dashboard go before those of the file; among either those of the nearest
 * account hold, of one account those of the exact target, then the longest prefix.
 */
export function chargesOf(rows: readonly ChargeRow[]): Charges {
  refuseTwins(rows);
  const own = rows.map((row, index) => ({
    account: row.account ?? null,
    target: row.target ?? "*",
    terms: termsOf(row, `config:${digest(row)}`, `charges[${index}]`),
  }));
  let set: readonly (BookEntry & { readonly kind: "charge"; readonly ready: Terms | null })[] = [];
  const remembered = new Map<string, Timeline<Terms | null> | null>();

  /** `null`: means somebody else. */
  function rank(
    of: { readonly account: string | null; readonly target: string },
    target: string,
    accounts: readonly string[],
  ) {
    if (!meansTarget(of.target, target)) return null;
    const distance = of.account === null ? accounts.length : accounts.indexOf(of.account);
    return distance < 0 ? null : (accounts.length - distance) * 10_000_000 + rankOf(of.target);
  }

  function look(target: string, accounts: readonly string[]): Timeline<Terms | null> | null {
    let below: Terms | null = null;
    let highest = -1;
    for (const row of own) {
      const ranked = rank(row, target, accounts) ?? -1;
      if (ranked > highest) [below, highest] = [row.terms, ranked];
    }
    const dated = set.flatMap((entry): Dated<Terms | null>[] => {
      const ranked = rank(entry, target, accounts);
      if (ranked === null) return [];
      const claimant = `${entry.account ?? ""}\n${entry.target}`;
      return [{ fromMs: entry.effectiveMs, claimant, rank: ranked, value: entry.ready }];
    });
    if (dated.length > 0) return timelineOf(below, dated);
    return below === null ? null : always(below);
  }

  return {
    find({ provider, model }, accounts) {
      if (own.length === 0 && set.length === 0) return null;
      const target = `${provider}/${model}`;
      const key = `${target}\n${accounts.join("\n")}`;
      const known = remembered.get(key);
      if (known !== undefined) return known;
      const found = look(target, accounts);
      if (remembered.size >= maxRemembered) remembered.clear();
      remembered.set(key, found);
      return found;
    },
    adopt(entries) {
      set = entries.flatMap((entry) =>
        entry.kind === "charge"
          ? [{ ...entry, ready: entry.terms && termsOf(entry.terms, `database:${entry.id}`, "terms") }]
          : [],
      );
      remembered.clear();
    },
  };
}

/** Of two that say the same of whom and what they mean, one would do nothing. */
function refuseTwins(rows: readonly ChargeRow[]) {
  const places = new Map<string, number>();
  for (const [at, { account = "", target = "*" }] of rows.entries()) {
    const place = `${account}\n${target}`;
    const first = places.get(place);
    if (first !== undefined) throw new Error(`charges[${at}]: the same account and target as charges[${first}]`);
    places.set(place, at);
  }
}

/** A row that means no provider's models would do nothing. */
export function refuseStrayTargets(rows: readonly ChargeRow[], providers: readonly string[]) {
  for (const [at, { target = "*" }] of rows.entries()) {
    const prefix = target.endsWith("*") ? target.slice(0, -1) : null;
    if (prefix === null && !target.includes("/"))
      throw new Error(`charges[${at}].target: expected instance/model, or a pattern that ends in *`);
    const isMeant = (name: string) =>
      target.startsWith(`${name}/`) || (prefix !== null && `${name}/`.startsWith(prefix));
    if (!providers.some(isMeant))
      throw new Error(`charges[${at}].target: no provider instance "${target.split("/", 1)[0]}"`);
  }
}

/** The rows with the ids of the accounts that they name. */
export const withAccountIds = (rows: readonly ChargeRow[], accounts: AccountLookup): Promise<readonly ChargeRow[]> =>
  Promise.all(
    rows.map(async ({ account, ...row }, at) => {
      if (account === undefined) return row;
      const id = await accounts.find(account);
      if (id === null) throw new Error(`charges[${at}].account: ${await accounts.whyNot(account)}`);
      return { ...row, account: id };
    }),
  );

/** A bound, because models' names come from clients. */
const maxRemembered = 10_000;

/** Throws `Error` that names the place of what is no decimal. */
function termsOf({ margin, discount, fee }: ChargeTerms, version: string, place: string): Terms {
  const decimal = (name: string, text: string | undefined): Decimal => {
    try {
      return text === undefined ? 0n : parseDecimal(text);
    } catch (error) {
      throw new Error(`${place}.${name}: not a decimal ≥ 0`, { cause: error });
    }
  };
  const off = decimal("discount", discount);
  if (off > hundred) throw new Error(`${place}.discount: more than 100 percent`);
  return {
    shown: {
      version,
      ...(margin !== undefined && { margin }),
      ...(discount !== undefined && { discount }),
      ...(fee !== undefined && { fee }),
    },
    times: (hundred + decimal("margin", margin)) * (hundred - off),
    fee: decimal("fee", fee),
  };
}

const digest = ({ account, target, margin, discount, fee }: ChargeRow): string =>
  createHash("sha256")
    .update(JSON.stringify([account, target, margin, discount, fee]))
    .digest("hex")
    .slice(0, 12);
