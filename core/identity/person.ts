import { createHash } from "node:crypto";
import type { PeopleRepository, PersonRow } from "../storage/people.ts";
import { checksum, checksumLength, randomText } from "./key-format.ts";
import { type Actor, type Holder, type Role, roles } from "./policy.ts";

/** Somebody as an actor. What changes is written down under their address, which is theirs alone. */
export const holderOf = ({ id, email, name, role, accountId }: PersonRow, kind: Actor["kind"]): Holder => ({
  kind,
  id,
  name: email ?? name,
  role,
  accountId,
});

/** Whether the role is the actor's own or below it: nobody hands out more than they have, or touches those who have it. */
export const isWithinReach = ({ role }: Pick<Actor, "role">, other: Role): boolean =>
  roles.indexOf(other) >= roles.indexOf(role);

const tokenForm = /^llmp_pat_[0-9A-Za-z]{49}$/;

/** A personal API token: 43 characters of base62 are 256 random bits, and 6 of CRC32 for secret scanners. Shown once. */
export function makeToken(): string {
  const body = `llmp_pat_${randomText(43)}`;
  return body + checksum(body);
}

/** Random 256 bits need no slow hash: there is nothing to guess. */
export const digestOf = (secret: string): string => createHash("sha256").update(secret).digest("hex");

/** Who holds the token now; `null`: it is none, or not any more. */
export async function tokenHolder(
  token: string,
  people: Pick<PeopleRepository, "findToken">,
  nowMs: number,
): Promise<Holder | null> {
  if (!tokenForm.test(token) || checksum(token.slice(0, -checksumLength)) !== token.slice(-checksumLength)) return null;
  const person = await people.findToken(digestOf(token), nowMs);
  return person && holderOf(person, "api-token");
}
