import { GatewayError } from "../chat/error.ts";
import type { Admin } from "../identity/admin.ts";
import { type Actor, type Holder, operator, type Permission, permits, refusedFor } from "../identity/policy.ts";
import { nobody, type RequestAudit } from "../identity/request-audit.ts";
import { credentialOf } from "../pipeline/authenticate.ts";
import type { Logger } from "../plugin/plugin.ts";
import { errorAnswer } from "./process.ts";

/** Who may read and change what the admin API shows, and how a refusal or a failure is answered. */
export interface Entrance {
  /** Who sent the request; `null`: nobody that is known here. `session`: one of the dashboard will do. */
  actorOf(request: Request, session: boolean): Promise<Actor | null>;
  /** Asks `answer` if whoever sent the request has the permission; else 401 or 403. */
  guarded(request: Request, gate: Gate, answer: (actor: Actor) => Promise<Response>): Promise<Response>;
  /** For whoever comes. */
  answered(answer: () => Promise<Response>): Promise<Response>;
}
export interface Gate {
  readonly permission: Permission;
  readonly session: boolean;
  /** As `PATCH /api/keys/:id`. */
  readonly route: string;
}

export interface EntranceDependencies {
  readonly admin: Pick<Admin, "verify">;
  /** Who holds a token of their own; `null`: it is none. */
  readonly tokenHolder?: (token: string) => Promise<Holder | null>;
  readonly logger: Logger;
  readonly newId: () => string;
  /** Who is signed in to the dashboard, by the request's cookie; may read what pages read. */
  readonly signedIn: (request: Request) => Promise<Actor | null>;
  /** The peer's address; `null` where it cannot be known. */
  readonly addressOf: (request: Request) => string | null;
  /** Somebody showed no credential that holds. Throws `rate-limited` when that happens too often. */
  readonly countStranger?: (request: Request) => Promise<void>;
  readonly requestAudit: RequestAudit;
}

export function entranceOf(dependencies: EntranceDependencies): Entrance {
  const { admin, tokenHolder, logger, newId, signedIn, addressOf, countStranger, requestAudit } = dependencies;

  async function actorOf(request: Request, session: boolean): Promise<Actor | null> {
    const token = credentialOf(request.headers);
    if (token === null) return session ? signedIn(request) : null;
    const holder = (await admin.verify(token)) ? operator : await tokenHolder?.(token);
    return holder ? { ...holder, address: addressOf(request) } : null;
  }
  async function answered(answer: () => Promise<Response>): Promise<Response> {
    try {
      return await answer();
    } catch (error) {
      if (!(error instanceof GatewayError)) logger.error({ error }, "a request of the admin API failed");
      return errorAnswer(error, newId());
    }
  }
  return {
    actorOf,
    answered,
    guarded: (request, { permission, session, route }, answer) =>
      answered(async () => {
        const actor = await actorOf(request, session);
        if (actor === null) {
          if (credentialOf(request.headers) !== null)
            requestAudit.refused({ ...nobody, address: addressOf(request), route }, "credential.refuse");
          await countStranger?.(request);
          throw new GatewayError("unauthenticated", "the admin token is missing or wrong");
        }
        const author = { ...actor, route };
        const { pathname: path } = new URL(request.url);
        return requestAudit.request(author, { permission, path }, async () => {
          if (!permits(actor, permission)) throw new GatewayError("forbidden", refusals[refusedFor(actor, permission)]);
          return answer(actor);
        });
      }),
  };
}

const refusals = {
  role: "your role does not allow this",
  account: "only for people who belong to no account",
} as const;
