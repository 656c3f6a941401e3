import { sql } from "drizzle-orm";
import type { Change, Fields } from "../audit.ts";
import type { PersonRow } from "../people.ts";
import { people } from "../schema/sqlite-people.ts";
import { accounts } from "../schema/sqlite.ts";

/** What is shown of a person; from `people` with their account joined to it. */
export const personColumns = {
  id: people.id,
  kind: people.kind,
  email: people.email,
  name: people.name,
  role: people.role,
  accountId: accounts.id,
  accountRef: people.accountRef,
  createdMs: people.createdMs,
  signedInMs: people.signedInMs,
  hasPassword: sql<number>`${people.password} is not null`,
  hasTotp: sql<number>`${people.totp} is not null`,
  // No address of an issuer has a space in it.
  issuers: sql<
    string | null
  >`(select group_concat(login.issuer, ' ') from person_logins login where login.person_ref = ${people.ref})`,
};

export interface FoundPerson extends Omit<PersonRow, "hasPassword" | "hasTotp" | "issuers"> {
  readonly accountRef: number | null;
  readonly hasPassword: number;
  readonly hasTotp: number;
  readonly issuers: string | null;
}

/** Throws for somebody whose account is gone: without it they would see everything. */
export function personRow({ accountRef, hasPassword, hasTotp, issuers, ...row }: FoundPerson): PersonRow {
  if (accountRef !== null && row.accountId === null) throw new Error("the account of a person has no row");
  const signsIn = { hasPassword: hasPassword === 1, hasTotp: hasTotp === 1 };
  return { ...row, ...signsIn, issuers: issuers === null ? [] : issuers.split(" ").sort() };
}

export const changeOf = (
  what: string,
  { id, accountId }: PersonRow,
  sides: Pick<Change, "before" | "after">,
): Change => ({
  action: `person.${what}`,
  object: { kind: "person", id },
  accountId,
  ...sides,
});

export const fieldsOf = ({ kind, email, name, role, accountId }: PersonRow): Fields => ({
  kind,
  email,
  name,
  role,
  accountId,
});

/** Who may do everything, and can sign in. */
export const isWholeOwner = ({
  role,
  kind,
  accountId,
  hasPassword,
  issuers,
}: Omit<FoundPerson, "accountRef">): boolean =>
  role === "owner" && kind === "person" && accountId === null && (hasPassword === 1 || issuers !== null);
