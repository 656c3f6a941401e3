import { sql } from "drizzle-orm";
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
};

export interface FoundPerson extends Omit<PersonRow, "hasPassword" | "hasTotp"> {
  readonly accountRef: number | null;
  readonly hasPassword: number;
  readonly hasTotp: number;
}

/** Throws for somebody whose account is gone: without it they would see everything. */
export function personRow({ accountRef, hasPassword, hasTotp, ...row }: FoundPerson): PersonRow {
  if (accountRef !== null && row.accountId === null) throw new Error("the account of a person has no row");
  return { ...row, hasPassword: hasPassword === 1, hasTotp: hasTotp === 1 };
}
