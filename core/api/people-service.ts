import { Buffer } from "node:buffer";
import { GatewayError, missing } from "../chat/error.ts";
import type { MadeLink, PersonService } from "../identity/people.ts";
import { digestOf, isWithinReach } from "../identity/person.ts";
import type { Actor, Role } from "../identity/policy.ts";
import type { Sessions } from "../identity/sessions.ts";
import { plainAddress } from "../identity/sign-in.ts";
import type { Database } from "../storage/database.ts";
import type { NewLink, PersonRow } from "../storage/people.ts";
import { dayMs } from "../storage/range-parts.ts";
import { IssuerSchema, NewPersonSchema, PersonChangeSchema } from "./people-schemas.ts";
import { newToken } from "./person-tokens.ts";
import { checked } from "./route.ts";

export interface PersonServiceDependencies {
  readonly database: Pick<Database, "people" | "accounts">;
  readonly sessions: Pick<Sessions, "list" | "end">;
  /** Otherwise there is no link by which to set one. */
  readonly passwords: boolean;
  /** `server.publicUrl`: links lead there, whatever address a request names. */
  readonly publicUrl: string;
  /** Sends a link to whom it is for; never throws, and is not waited for. */
  readonly mail: (to: string, link: MadeLink, isNew: boolean) => void;
  readonly now: () => number;
  readonly newId: () => string;
}

const invitationMs = 7 * dayMs;
const resetMs = dayMs;

export function personService({
  database,
  sessions,
  passwords,
  publicUrl,
  mail,
  now,
  newId,
}: PersonServiceDependencies): PersonService {
  const { people, accounts } = database;

  /** Whether the account is the actor's or below it; every place is for who belongs to none. */
  async function isWithin(actor: Actor, accountId: string | null): Promise<boolean> {
    if (actor.accountId === null) return true;
    if (accountId === null) return false;
    return (await accounts.lineage(accountId)).some(({ id }) => id === actor.accountId);
  }
  async function get(actor: Actor, id: string): Promise<PersonRow | null> {
    const person = await people.get(id);
    return person && (await isWithin(actor, person.accountId)) ? person : null;
  }
  /** For a change. */
  async function reached(actor: Actor, id: string): Promise<PersonRow | null> {
    const person = await get(actor, id);
    if (person) checkReach(actor, person.role);
    return person;
  }
  async function placed(actor: Actor, accountId: string | null | undefined): Promise<string | null> {
    const place = accountId === undefined ? actor.accountId : accountId;
    // An account elsewhere looks like one that does not exist.
    if (!(await isWithin(actor, place))) return missing();
    return place;
  }
  function newLink(hasPassword: boolean): { readonly link: MadeLink; readonly stored: NewLink } {
    const token = Buffer.from(crypto.getRandomValues(new Uint8Array(32))).toString("base64url");
    const expiresMs = now() + (hasPassword ? resetMs : invitationMs);
    const link = { url: `${publicUrl}/dashboard/login?token=${token}`, expiresMs };
    return { link, stored: { digest: digestOf(token), expiresMs } };
  }

  return {
    list: async (actor, query) =>
      people.list({ ...query, ...(actor.accountId !== null && { under: actor.accountId }) }),
    get,
    async create(actor, given) {
      const { kind = "person", email, name, role, accountId } = checked(NewPersonSchema, given);
      if (kind === "person" && email === undefined)
        throw new GatewayError("invalid-request", "email: missing", { param: "email" });
      if (kind === "service" && email !== undefined)
        throw new GatewayError("invalid-request", "email: a service has none", { param: "email" });
      checkReach(actor, role);
      const place = await placed(actor, accountId);
      const address = email === undefined ? null : plainAddress(email);
      const made = { id: newId(), kind, email: address, name, role, accountId: place, createdMs: now() };
      const invitation = kind === "person" && passwords ? newLink(false) : null;
      const person = await people.create(made, invitation?.stored ?? null);
      if (invitation && address !== null) mail(address, invitation.link, true);
      return { person, link: invitation?.link ?? null };
    },
    async change(actor, id, given) {
      const { email, accountId, ...change } = checked(PersonChangeSchema, given);
      const person = await reached(actor, id);
      if (!person) return null;
      if (change.role !== undefined) checkReach(actor, change.role);
      if (email !== undefined && person.kind === "service")
        throw new GatewayError("invalid-request", "email: a service has none", { param: "email" });
      const wanted = {
        ...change,
        ...(email !== undefined && { email: plainAddress(email) }),
        ...(accountId !== undefined && { accountId: await placed(actor, accountId) }),
      };
      const made = person.kind === "person" && passwords ? newLink(false) : null;
      const changed = await people.change(id, wanted, { newId, link: made?.stored ?? null, atMs: now() });
      if (!changed) return null;
      const link = changed.id === id ? null : (made?.link ?? null);
      if (link && changed.email !== null) mail(changed.email, link, true);
      return { person: changed, link };
    },
    async unlink(actor, id, given) {
      const { issuer } = checked(IssuerSchema, given);
      if (!(await reached(actor, id))) return null;
      const made = passwords ? newLink(false) : null;
      const done = await people.unlink(id, issuer, { keep: null, link: made?.stored ?? null });
      if (!done) return null;
      const link = done.linked ? (made?.link ?? null) : null;
      if (link && done.person.email !== null) mail(done.person.email, link, true);
      return { person: done.person, link };
    },
    remove: async (actor, id) => (await reached(actor, id)) !== null && people.remove(id),
    async renewLink(actor, id) {
      const person = await reached(actor, id);
      if (person?.kind === "service") throw new GatewayError("conflict", "a service does not sign in");
      if (!passwords) throw new GatewayError("conflict", "people do not sign in with passwords here");
      if (person === null) return null;
      const { link, stored } = newLink(person.hasPassword);
      await people.setLink(id, stored);
      if (person.email !== null) mail(person.email, link, !person.hasPassword);
      return link;
    },
    async dropTotp(actor, id) {
      if (!(await reached(actor, id))) return null;
      await people.setTotp(id, null);
      return people.get(id);
    },
    sessions: async (actor, id) => ((await get(actor, id)) ? sessions.list(id) : null),
    endSession: async (actor, id, sessionId) => (await reached(actor, id)) !== null && sessions.end(id, sessionId),
    tokens: async (actor, id) => ((await get(actor, id)) ? people.tokensOf(id) : null),
    async addToken(actor, id, given) {
      const person = await reached(actor, id);
      if (person === null) return null;
      if (person.kind !== "service") throw new GatewayError("conflict", "people make their own tokens");
      return newToken(id, given, { people, now, newId });
    },
    removeToken: async (actor, id, tokenId) => (await reached(actor, id)) !== null && people.removeToken(id, tokenId),
  };
}

function checkReach(actor: Actor, role: Role) {
  if (!isWithinReach(actor, role)) throw new GatewayError("forbidden", "this role is above your own");
}
