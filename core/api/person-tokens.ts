import { GatewayError } from "../chat/error.ts";
import type { MadeToken } from "../identity/people.ts";
import { digestOf, makeToken } from "../identity/person.ts";
import type { PeopleRepository } from "../storage/people.ts";
import { NewTokenSchema } from "./people-schemas.ts";
import { checked } from "./route.ts";

interface TokenDependencies {
  readonly people: Pick<PeopleRepository, "addToken" | "tokensOf">;
  readonly now: () => number;
  readonly newId: () => string;
}

/** Of one person; more are a sign of tokens that nobody takes back. */
const maxTokens = 50;

export async function newToken(personId: string, given: unknown, dependencies: TokenDependencies): Promise<MadeToken> {
  const { people, now, newId } = dependencies;
  const { name, expiresAt = null } = checked(NewTokenSchema, given);
  if (expiresAt !== null && expiresAt <= now())
    throw new GatewayError("invalid-request", "expiresAt: already past", { param: "expiresAt" });
  if ((await people.tokensOf(personId)).length >= maxTokens)
    throw new GatewayError("conflict", `there are ${maxTokens} tokens already: remove some first`);
  const token = makeToken();
  const row = { id: newId(), name, last4: token.slice(-4), createdMs: now(), expiresMs: expiresAt };
  return { row: await people.addToken(personId, { ...row, digest: digestOf(token) }), token };
}
