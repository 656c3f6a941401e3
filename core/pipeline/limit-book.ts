import {
  type GatewayError,
  type Limit,
  limitFields,
  type Limits,
  type LimitScope,
  type Measure,
  type Principal,
  type Scope,
} from "../plugin/plugin.ts";
import { limitsOn } from "../plugin/limit-rules.ts";
import { type UsualOutput, usualOutput } from "./usual-output.ts";

/** One entry of the file or of the database. */
export interface LimitRule {
  readonly id: string;
  readonly source: "default" | "file" | "api";
  /** `id` `null`: each key, account, model, provider or address for itself. */
  readonly scope: { readonly kind: LimitScope["kind"]; readonly id: string | null };
  readonly limits: Limits;
  readonly enforce: boolean;
}

/** The limits of the file and of the database, in memory: each call looks here. */
export interface LimitBook {
  /** Those of the file. */
  readonly fixed: () => readonly LimitRule[];
  /** Takes the place of those of the file, for the next call on. */
  fix(rules: readonly LimitRule[]): void;
  /** Takes the place of those of the database, for the next call on. */
  adopt(rules: readonly LimitRule[]): void;
  /** Those that count a call with these scopes. */
  of(scopes: readonly Scope[], principal: Principal): readonly Limit[];
  /** Those that count an address which shows no credential that holds. */
  ofAddress(address: string): readonly Limit[];
  /** What calls met: kept since the start of the process. */
  readonly met: ReadonlyMap<string, Met>;
  /** Counts the limit that the error names. */
  refusedBy(error: GatewayError): void;
  spared(limit: Limit): void;
  readonly output: UsualOutput;
}
export interface Met {
  /** Always the same object. */
  readonly labels: { readonly scope: LimitScope["kind"]; readonly measure: string; readonly enforced: string };
  count: number;
}
interface Compiled {
  /** By kind, then id. */
  readonly named: ReadonlyMap<string, ReadonlyMap<string, OnScope>>;
  /** By kind: rules for each scope of it. */
  readonly each: ReadonlyMap<string, readonly LimitRule[]>;
  readonly isEmpty: boolean;
}
interface OnScope {
  readonly rules: LimitRule[];
  /** `null`: no call has asked since rules changed last. Most scopes are never asked for between two changes. */
  limits: readonly Limit[] | null;
}

export function limitBook(ofFile: readonly LimitRule[] = []): LimitBook {
  let fixed = ofFile;
  let adopted: readonly LimitRule[] = [];
  let compiled = compile(fixed);
  const met = new Map<string, Met>();
  const count = (kind: LimitScope["kind"], measure: string, enforced: boolean) => {
    const place = `${kind} ${measure} ${enforced}`;
    const known = met.get(place);
    if (known) known.count += 1;
    else met.set(place, { labels: { scope: kind, measure, enforced: String(enforced) }, count: 1 });
  };
  function renew() {
    compiled = compile([...fixed, ...adopted]);
  }
  return {
    fixed: () => fixed,
    fix(others) {
      fixed = others;
      renew();
    },
    adopt(others) {
      adopted = others;
      renew();
    },
    of: (scopes, principal) => (compiled.isEmpty ? none : collected(compiled, scopes, principal)),
    ofAddress: (address) =>
      (compiled.each.get("ip") ?? noRules).flatMap(({ limits, enforce }) =>
        limitsOn({ kind: "ip", id: address }, limits, enforce),
      ),
    met,
    refusedBy({ details: { limit } }) {
      if (limit) count(limit.scope.kind, isMeasure(limit["measure"]) ? limit["measure"] : "other", true);
    },
    spared: ({ scope, measure }) => count(scope.kind, measure, false),
    output: usualOutput(),
  };
}

export const storedRules = (rows: readonly Omit<LimitRule, "source">[]): readonly LimitRule[] =>
  rows.map((row) => ({ ...row, source: "api" }));

/** Without one for addresses in the file, so many failed authentications a minute get an answer of their own. */
const usualForAddresses = { requestsPerMinute: 100 };

export function fileRules(written: readonly Omit<LimitRule, "id" | "source">[]): readonly LimitRule[] {
  const rules = written.map((rule, at): LimitRule => ({ ...rule, id: `file-${at}`, source: "file" }));
  if (rules.some(({ scope }) => scope.kind === "ip")) return rules;
  const scope = { kind: "ip", id: null } as const;
  return [...rules, { id: "default-ip", source: "default", scope, limits: usualForAddresses, enforce: true }];
}

/** A key's, or of who has none of ours the name that its `auth` instance tells, on its account. */
export const callerScope = ({ keyId, accountId, auth = "", name }: Principal): Scope => ({
  kind: "key",
  id: keyId ?? `${accountId}/${auth}/${name}`,
});

function compile(rules: readonly LimitRule[]): Compiled {
  const named = new Map<string, Map<string, OnScope>>();
  const each = new Map<string, LimitRule[]>();
  for (const rule of rules) {
    const { kind, id } = rule.scope;
    if (id === null) {
      const ofKind = each.get(kind);
      if (ofKind) ofKind.push(rule);
      else each.set(kind, [rule]);
      continue;
    }
    const ofKind = named.get(kind) ?? new Map<string, OnScope>();
    named.set(kind, ofKind);
    const on = ofKind.get(id);
    if (on) on.rules.push(rule);
    else ofKind.set(id, { rules: [rule], limits: null });
  }
  return { named, each, isEmpty: rules.every(({ scope }) => scope.kind === "ip") };
}

function collected({ named, each }: Compiled, scopes: readonly Scope[], principal: Principal): readonly Limit[] {
  const found: Limit[] = [];
  for (const scope of scopes) {
    const on = named.get(scope.kind)?.get(scope.id);
    if (!on) continue;
    on.limits ??= on.rules.flatMap(({ limits, enforce }) => limitsOn(scope, limits, enforce));
    found.push(...on.limits);
  }
  if (each.size === 0) return found;
  for (const scope of eachOf(scopes, principal))
    for (const { limits, enforce } of each.get(scope.kind) ?? noRules) found.push(...limitsOn(scope, limits, enforce));
  return found;
}

/** Of the accounts only the caller's own: what is for each is not for those above, whose calls are many accounts'. */
export function eachOf(scopes: readonly Scope[], principal: Principal): readonly Scope[] {
  const others = scopes.filter(({ kind, id }) => kind !== "key" && (kind !== "account" || id === principal.accountId));
  return [callerScope(principal), ...others];
}

/** A plugin may name what it likes, and labels of metrics must stay few. */
const isMeasure = (name: unknown): name is Measure => limitFields.some(({ measure }) => measure === name);

const none: readonly Limit[] = [];
const noRules: readonly LimitRule[] = [];
