import { GatewayError } from "../chat/error.ts";
import { hashPassword, verifyPassword } from "../runtime/password.ts";
import type { PeopleRepository, PersonRow } from "../storage/people.ts";
import { passwordQueue } from "./passwords.ts";
import { asAuthor, currentAsker } from "../storage/audit-author.ts";
import { digestOf, holderOf } from "./person.ts";
import type { Throttles } from "./throttle.ts";
import type { SecondFactor } from "./totp.ts";

/** What a sign-in comes to. `code`: the password is right, and the code of the second factor is to be sent with the ticket. */
export type SignedIn =
  | { readonly done: "in"; readonly person: PersonRow }
  | { readonly done: "code"; readonly ticket: string }
  | { readonly done: "refused" };

/** Signs people in. It counts wrong codes; wrong passwords are for whoever asks to count, who knows where they come from. */
export interface SignIn {
  /** Whether they are taken at all. */
  readonly passwords: boolean;
  /** As long for an address that nobody has as for a wrong password. */
  password(email: string, password: string): Promise<SignedIn>;
  /** At most five codes a ticket, within five minutes, and ten wrong ones of a person in a quarter of an hour. */
  code(ticket: string, code: string): Promise<SignedIn>;
  /**
   * The first person of all, an owner. `take` uses up the link of the first start, once the rest is known to be right;
   * `false` of it refuses.
   */
  newOwner(email: string, password: string, take: () => Promise<boolean>): Promise<SignedIn>;
  /** Whether anybody at all has a password. */
  isInUse(): Promise<boolean>;
  /** Whether the person's password is this; for changes that ask for it again. */
  isPassword(personId: string, password: string): Promise<boolean>;
  /** What is kept of a password, which takes 64 MiB to make: in turn with all others. Throws `unavailable` when too many wait. */
  hashed(password: string): Promise<string>;
  /** Somebody's link, looked at; `null`: unknown, used or expired. */
  linked(token: string): Promise<PersonRow | null>;
  /** Sets the password that the link is for, ends what was signed in before, and uses the link up. */
  takeLink(token: string, password: string): Promise<SignedIn>;
}

export interface SignInDependencies {
  /** Otherwise no password signs in, and none is set. */
  readonly passwords: boolean;
  readonly people: PeopleRepository;
  readonly secondFactor: Pick<SecondFactor, "take">;
  readonly throttles: Throttles;
  readonly now: () => number;
  readonly newId: () => string;
}

const ticketMs = 5 * 60_000;
const triesPerTicket = 5;
const maxTickets = 1_000;
const wrongCodes = 10;
const wrongCodesMs = 15 * 60_000;

export function signInOf({ passwords, people, secondFactor, throttles, now, newId }: SignInDependencies): SignIn {
  const tickets = new Map<string, { readonly personId: string; readonly untilMs: number; left: number }>();
  const queued = passwordQueue();
  const hashed = (password: string) => queued(() => hashPassword(password));
  const throttle = throttles("second factors", wrongCodes, wrongCodesMs);
  /** Of a random text: it costs what a true one does, and nothing matches it. */
  let nobody: Promise<string> | null = null;

  async function isRight(password: string, hash: string | null | undefined): Promise<boolean> {
    const instead = await (nobody ??= hashPassword(crypto.randomUUID()));
    return (await queued(() => verifyPassword(password, hash ?? instead))) && typeof hash === "string";
  }
  async function proved(person: PersonRow): Promise<SignedIn> {
    if (person.hasTotp) return { done: "code", ticket: newTicket(person.id) };
    await people.signedIn(person.id, now());
    return { done: "in", person };
  }
  function newTicket(personId: string): string {
    if (tickets.size >= maxTickets) tickets.delete(tickets.keys().next().value ?? "");
    const ticket = crypto.randomUUID();
    tickets.set(ticket, { personId, untilMs: now() + ticketMs, left: triesPerTicket });
    return ticket;
  }

  return {
    passwords,
    async password(email, password) {
      if (!passwords) return { done: "refused" };
      const found = await people.secretsOf({ email: plainAddress(email) });
      return (await isRight(password, found?.password)) && found ? proved(found.person) : { done: "refused" };
    },
    async code(ticket, code) {
      const known = tickets.get(ticket);
      if (!known || known.untilMs <= now() || known.left === 0) return { done: "refused" };
      if (throttle.take(known.personId) !== null) return { done: "refused" };
      known.left -= 1;
      const found = await people.secretsOf({ id: known.personId });
      if (!found?.totp || !(await secondFactor.take(known.personId, found.totp, code)))
        return known.left > 0 ? { done: "code", ticket } : { done: "refused" };
      tickets.delete(ticket);
      throttle.giveBack(known.personId);
      await people.signedIn(known.personId, now());
      return { done: "in", person: found.person };
    },
    async newOwner(given, password, take) {
      if (!passwords) throw new GatewayError("conflict", "people do not sign in with passwords here");
      const email = plainAddress(given);
      if (!new RegExp(addressForm).test(email) || email.length > 254)
        throw new GatewayError("invalid-request", "email: expected an e-mail address", { param: "email" });
      checkPassword(password);
      if (await people.secretsOf({ email }))
        throw new GatewayError("conflict", "email: somebody has this address already", { param: "email" });
      const hash = await hashed(password);
      if (!(await take())) return { done: "refused" };
      const name = email.split("@")[0] ?? email;
      const owner = { id: newId(), kind: "person", email, name, role: "owner", accountId: null } as const;
      const person = await people.create({ ...owner, createdMs: now() });
      await byThemselves(person, () => people.setPassword(person.id, hash, null));
      return proved(person);
    },
    isInUse: async () => passwords && people.canSignIn(),
    isPassword: async (personId, password) => isRight(password, (await people.secretsOf({ id: personId }))?.password),
    hashed,
    linked: async (token) => (passwords ? people.findLink(digestOf(token), now()) : null),
    async takeLink(token, password) {
      if (!passwords) return { done: "refused" };
      checkPassword(password);
      // Hashed before the link is taken: whatever fails until here leaves it whole.
      const hash = await hashed(password);
      const person = await people.takeLink(digestOf(token), now());
      if (person === null) return { done: "refused" };
      await byThemselves(person, () => people.setPassword(person.id, hash, null));
      return proved({ ...person, hasPassword: true });
    },
  };
}

/** What somebody does who proves who they are by it. */
const byThemselves = <T>(person: PersonRow, work: () => T): T =>
  asAuthor({ ...currentAsker().author, ...holderOf(person, "person") }, work);

/** What a mailbox looks like at all; whether it is one is for a mail to find out. */
export const addressForm = "^\\s*[^\\s@<>\\u0000-\\u001f]+@[^\\s@<>\\u0000-\\u001f]+\\s*$";

/** Addresses are compared without regard to the case of ASCII: elsewhere it would make a `k` of the Kelvin sign. */
export const plainAddress = (email: string): string =>
  email.trim().replaceAll(/[A-Z]/g, (letter) => letter.toLowerCase());

const leastPassword = 12;
const mostPassword = 256;

/** Length alone, as NIST SP 800-63B §3.1.1.2 has it: rules about characters make passwords worse. */
export function checkPassword(password: string, param = "password"): void {
  const { length } = password;
  if (length < leastPassword || length > mostPassword)
    throw new GatewayError("invalid-request", `${param}: ${leastPassword} to ${mostPassword} characters`, { param });
}
