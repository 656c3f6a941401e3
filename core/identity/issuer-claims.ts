import { claimAt } from "../plugin/claim-at.ts";
import { addressForm, plainAddress } from "./sign-in.ts";
import type { Role } from "./policy.ts";

export interface ClaimNames {
  readonly email: string;
  readonly emailVerified: string;
  readonly name: string;
  readonly groups: string;
}

export interface Mapping {
  readonly claims: ClaimNames;
  /** The first that fits counts. `group` absent: everybody. */
  readonly roles: readonly { readonly group?: string; readonly role: Role; readonly account?: string }[];
  /** Verified addresses of these alone; empty: every address, verified or not. */
  readonly domains: readonly string[];
}

/** Somebody as an issuer knows them, and what they may do here. */
export interface Stranger {
  readonly issuer: string;
  readonly subject: string;
  /** In lower case, and checked by the issuer; `null`: it has none, or does not say so. */
  readonly email: string | null;
  readonly name: string;
  readonly role: Role;
  /** Id or name of an account; `null`: everything. */
  readonly account: string | null;
}
/** Why not, in words for whoever tried. */
export interface NotMapped {
  readonly refused: string;
}

/** What the claims come to. */
export function mapped(
  claims: Readonly<Record<string, unknown>> & { readonly iss: string; readonly sub: string },
  { claims: names, roles, domains }: Mapping,
): Stranger | NotMapped {
  const email = verifiedAddress(claims, names);
  if (domains.length > 0 && !domains.some((domain) => email?.endsWith(`@${plainAddress(domain)}`)))
    return {
      refused:
        email === null
          ? "The issuer does not say that your e-mail address is verified."
          : "Your e-mail address is of none of the domains that may sign in here.",
    };
  const groups = groupsOf(claimAt(claims, names.groups));
  const found = roles.find(({ group }) => group === undefined || groups.has(group));
  if (!found) return { refused: "None of your groups has a role here. Ask whoever manages people at the issuer." };
  return {
    issuer: claims.iss,
    subject: claims.sub,
    email,
    name: nameOf(claimAt(claims, names.name)) ?? email?.split("@")[0] ?? "unnamed",
    role: found.role,
    account: found.account ?? null,
  };
}

function verifiedAddress(claims: Readonly<Record<string, unknown>>, names: ClaimNames): string | null {
  const email = claimAt(claims, names.email);
  const isVerified = truths.has(claimAt(claims, names.emailVerified));
  if (!isVerified || typeof email !== "string" || email.length > 254 || !isAddress.test(email)) return null;
  return plainAddress(email);
}

/** Cognito writes it as a text, and Entra's `xms_edov` comes as a number too. */
const truths: ReadonlySet<unknown> = new Set([true, "true", 1, "1"]);
const isAddress = new RegExp(addressForm);

function groupsOf(value: unknown): ReadonlySet<string> {
  const all: readonly unknown[] = Array.isArray(value) ? value : [value];
  return new Set(all.filter((group) => typeof group === "string"));
}

const maxName = 100;

function nameOf(value: unknown): string | null {
  if (typeof value !== "string") return null;
  const text = value
    .replace(/\p{Cc}+/gu, " ")
    .trim()
    .slice(0, maxName);
  return text === "" ? null : text;
}
