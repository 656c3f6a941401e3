import { GatewayError, missing } from "../chat/error.ts";
import type { OwnService } from "../identity/people.ts";
import type { Actor } from "../identity/policy.ts";
import type { Sessions } from "../identity/sessions.ts";
import { checkPassword, type SignIn } from "../identity/sign-in.ts";
import type { Throttles } from "../identity/throttle.ts";
import type { SecondFactor } from "../identity/totp.ts";
import type { Database } from "../storage/database.ts";
import {
  IssuerSchema,
  NewTokenSchema,
  OwnNameSchema,
  OwnPasswordSchema,
  PasswordAgainSchema,
  TotpSchema,
} from "./people-schemas.ts";
import { newToken } from "./person-tokens.ts";
import { checked } from "./route.ts";

export interface OwnServiceDependencies {
  readonly database: Pick<Database, "people">;
  readonly sessions: Pick<Sessions, "list" | "end">;
  readonly signIn: Pick<SignIn, "isPassword" | "hashed">;
  readonly secondFactor: Pick<SecondFactor, "begin" | "begun" | "confirm">;
  readonly throttles: Throttles;
  readonly now: () => number;
  readonly newId: () => string;
}

export function ownService(dependencies: OwnServiceDependencies): OwnService {
  const { sessions, signIn, secondFactor, now, newId } = dependencies;
  const { people } = dependencies.database;
  /** Whoever took over a session must not find out the password by trying. */
  const throttle = dependencies.throttles("passwords again");

  async function checkAgain(id: string, password: string, param: string) {
    const waitSeconds = throttle.take(id);
    if (waitSeconds !== null)
      throw new GatewayError("rate-limited", `too many wrong passwords: wait ${waitSeconds} seconds`, {
        retryAfterSeconds: waitSeconds,
      });
    if (!(await signIn.isPassword(id, password)))
      throw new GatewayError("invalid-request", `${param}: not your password`, { param });
    throttle.giveBack(id);
  }
  /** Who has an address signs in with a password. */
  async function signingIn(actor: Actor) {
    const { id, email } = (await people.get(idOf(actor))) ?? missing();
    if (email === null) throw new GatewayError("conflict", "a service does not sign in");
    return { id, email };
  }

  return {
    person: async (actor) => (actor.id === null ? null : people.get(actor.id)),
    rename: async (actor, given) =>
      (await people.change(idOf(actor), { name: checked(OwnNameSchema, given).name })) ?? missing(),
    async unlink(actor, given, keep) {
      const { issuer } = checked(IssuerSchema, given);
      const done = await people.unlink(idOf(actor), issuer, { keep, link: null });
      return done && done.person;
    },
    async setPassword(actor, given, keep) {
      const { current, password } = checked(OwnPasswordSchema, given);
      const { id } = await signingIn(actor);
      checkPassword(password);
      await checkAgain(id, current, "current");
      await people.setPassword(id, await signIn.hashed(password), keep);
    },
    sessions: (actor) => sessions.list(actor.id),
    endSession: (actor, id) => sessions.end(actor.id, id),
    tokens: async (actor) => people.tokensOf(idOf(actor)),
    async addToken(actor, given) {
      checked(NewTokenSchema, given);
      if (actor.kind !== "person") throw new GatewayError("conflict", "tokens are made in a session of the dashboard");
      return newToken(idOf(actor), given, { people, now, newId });
    },
    removeToken: async (actor, id) => people.removeToken(idOf(actor), id),
    async beginTotp(actor, given) {
      const { password } = checked(PasswordAgainSchema, given);
      const person = await signingIn(actor);
      await checkAgain(person.id, password, "password");
      return secondFactor.begin(person);
    },
    async begunTotp(actor, enrolment) {
      return secondFactor.begun(await signingIn(actor), enrolment);
    },
    async confirmTotp(actor, given) {
      const { enrolment, code } = checked(TotpSchema, given);
      const { id } = await signingIn(actor);
      const codes = await secondFactor.confirm(id, enrolment, code);
      if (codes === null) throw new GatewayError("invalid-request", "code: not the code of now", { param: "code" });
      return codes;
    },
    async dropTotp(actor, given) {
      const { password } = checked(PasswordAgainSchema, given);
      const { id } = await signingIn(actor);
      await checkAgain(id, password, "password");
      await people.setTotp(id, null);
    },
  };
}

function idOf({ id }: Actor): string {
  if (id === null) throw new GatewayError("conflict", "the admin token is nobody's: sign in as a person");
  return id;
}
