import { GatewayError } from "../chat/error.ts";
import type { Admin } from "../identity/admin.ts";
import { credentialOf } from "../pipeline/authenticate.ts";
import type { Logger } from "../plugin/plugin.ts";
import { errorAnswer } from "./process.ts";

/** Who may read and change what the admin API shows, and how a refusal or a failure is answered. */
export interface Entrance {
  /** The request carries the admin token. */
  isAdmin(request: Request): Promise<boolean>;
  /** It carries the admin token, or comes from a signed-in person. */
  isKnown(request: Request): Promise<boolean>;
  guarded(mayEnter: () => Promise<boolean>, answer: () => Promise<Response>): Promise<Response>;
  /** For whoever comes. */
  answered(answer: () => Promise<Response>): Promise<Response>;
}

export interface EntranceDependencies {
  readonly admin: Pick<Admin, "verify">;
  readonly logger: Logger;
  readonly newId: () => string;
  /** A signed-in person of the dashboard; may read what pages read. */
  readonly hasSession: (request: Request) => Promise<boolean>;
}

export function entranceOf({ admin, logger, newId, hasSession }: EntranceDependencies): Entrance {
  const isAdmin = async (request: Request) => {
    const token = credentialOf(request.headers);
    return token !== null && (await admin.verify(token));
  };
  async function answered(answer: () => Promise<Response>): Promise<Response> {
    try {
      return await answer();
    } catch (error) {
      if (!(error instanceof GatewayError)) logger.error({ error }, "a request of the admin API failed");
      return errorAnswer(error, newId());
    }
  }
  return {
    isAdmin,
    isKnown: async (request) => (await isAdmin(request)) || (await hasSession(request)),
    answered,
    guarded: (mayEnter, answer) =>
      answered(async () => {
        if (!(await mayEnter())) throw new GatewayError("unauthenticated", "the admin token is missing or wrong");
        return answer();
      }),
  };
}
