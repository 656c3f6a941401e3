import type { Buffer } from "node:buffer";
import type { OwnService, PersonService } from "../identity/people.ts";
import { tokenHolder } from "../identity/person.ts";
import type { Holder } from "../identity/policy.ts";
import { createSessions, type Sessions } from "../identity/sessions.ts";
import { type SignIn, signInOf } from "../identity/sign-in.ts";
import { secondFactor } from "../identity/totp.ts";
import type { Database } from "../storage/database.ts";
import { ownService } from "./own-service.ts";
import { personService } from "./people-service.ts";

export interface PeopleParts {
  readonly sessions: Sessions;
  readonly signIn: SignIn;
  readonly people: PersonService;
  readonly own: OwnService;
  readonly tokenHolder: (token: string) => Promise<Holder | null>;
}

interface PeopleDependencies {
  readonly database: Database;
  /** 32 bytes, with which second factors are sealed. */
  readonly key: Buffer;
  readonly publicUrl: string;
  readonly now: () => number;
  readonly newId: () => string;
}

/** All that is about people, made to fit: the pages, the API and the login share the sessions. */
export function peopleParts({ database, key, publicUrl, now, newId }: PeopleDependencies): PeopleParts {
  const { people } = database;
  const sessions = createSessions(database.sessions, now);
  const factor = secondFactor({ people, key, now });
  const signIn = signInOf({ people, secondFactor: factor, now, newId });
  return {
    sessions,
    signIn,
    people: personService({ database, sessions, publicUrl, now, newId }),
    own: ownService({ database, sessions, signIn, secondFactor: factor, now, newId }),
    tokenHolder: (token) => tokenHolder(token, people, now()),
  };
}
