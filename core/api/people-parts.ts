import type { Buffer } from "node:buffer";
import type { OwnService, PersonService } from "../identity/people.ts";
import { tokenHolder } from "../identity/person.ts";
import type { Holder } from "../identity/policy.ts";
import { type IssuerLogin, issuerLogin, type IssuerLoginDependencies } from "../identity/issuer-login.ts";
import type { Sessions } from "../identity/sessions.ts";
import { type SignIn, signInOf } from "../identity/sign-in.ts";
import { type Throttles, throttlesOf } from "../identity/throttle.ts";
import { secondFactor } from "../identity/totp.ts";
import { fetchOf } from "../plugin/fetch.ts";
import type { Logger } from "../plugin/plugin.ts";
import type { Egress } from "../runtime/egress.ts";
import type { Database } from "../storage/database.ts";
import { linkMail } from "./link-mail.ts";
import { ownService } from "./own-service.ts";
import { personService } from "./people-service.ts";

export interface PeopleParts {
  readonly sessions: Sessions;
  readonly signIn: SignIn;
  readonly issuers: IssuerLogin;
  readonly people: PersonService;
  readonly own: OwnService;
  readonly tokenHolder: (token: string) => Promise<Holder | null>;
}

interface PeopleDependencies {
  readonly database: Database;
  readonly sessions: Sessions;
  readonly login: {
    readonly passwords: boolean;
    readonly oidc: IssuerLoginDependencies["settings"];
  };
  readonly egress: Egress;
  /** 32 bytes of its own for each. */
  readonly keyOf: (purpose: "second-factor" | "sign-in") => Buffer;
  readonly publicUrl: string;
  readonly logger: Logger;
  /** Absent: what is counted is lost with these parts. */
  readonly throttles?: Throttles;
  readonly observers: Parameters<typeof linkMail>[0]["observers"];
  readonly now: () => number;
  readonly newId: () => string;
}

/** All that is about people, made to fit: the pages, the API and the login share the sessions. */
export function peopleParts(dependencies: PeopleDependencies): PeopleParts {
  const { database, sessions, login, egress, keyOf, publicUrl, now, newId } = dependencies;
  const { people } = database;
  const { passwords } = login;
  const { throttles = throttlesOf(now) } = dependencies;
  const factor = secondFactor({ people, key: keyOf("second-factor"), now });
  const signIn = signInOf({ passwords, people, secondFactor: factor, throttles, now, newId });
  return {
    sessions,
    signIn,
    issuers: issuerLogin({
      ...dependencies,
      settings: login.oidc,
      fetchFor: (settings) => fetchOf({ ...settings }, egress),
      key: keyOf("sign-in"),
    }),
    people: personService({ database, sessions, passwords, publicUrl, mail: linkMail(dependencies), now, newId }),
    own: ownService({ database, sessions, signIn, secondFactor: factor, throttles, now, newId }),
    tokenHolder: (token) => tokenHolder(token, people, now()),
  };
}
