import { clearInterval, setInterval } from "node:timers";
import { GatewayError } from "../chat/error.ts";
import type { Logger } from "../plugin/plugin.ts";
import type { AuditRepository, Author } from "../storage/audit.ts";
import { asAuthor, authorOf } from "../storage/audit-author.ts";
import { addressGroup } from "./client-address.ts";
import type { Permission } from "./policy.ts";

/** What requests leave in the audit log beside the changes that the storage tells by itself. */
export interface RequestAudit {
  /**
   * Does what a request asks for in the author's name. Of a route that writes, a success that left nothing in the log, as
   * of something that is not stored, leaves an entry all the same. Tells of what is refused for want of permission.
   */
  request(author: Author, { permission, path }: Asked, work: () => Promise<Response>): Promise<Response>;
  /**
   * What was tried and refused. It happens as often as somebody likes, so it is summed up: written down at once when it is
   * the first of its author and action for a while, else counted.
   */
  refused(author: Author, action: RefusedAction, told?: Readonly<Record<string, string>>): void;
  /** Writes down what was counted. */
  close(): Promise<void>;
}
interface Asked {
  readonly permission: Permission;
  /** As it was asked for. */
  readonly path: string;
}
type RefusedAction = "login.fail" | "credential.refuse" | "request.deny";

/** Somebody without a credential that holds. */
export const nobody: Author = authorOf("nobody", "not signed in");

/** How long refusals of one kind are summed up. */
const windowMs = 5 * 60_000;
/** Of so many authors apart; whoever comes then is counted with the others. */
const maxApart = 50;

interface Sum {
  readonly author: Author;
  readonly action: RefusedAction;
  readonly told: Readonly<Record<string, string>>;
  readonly startMs: number;
  /** Not written down yet. */
  times: number;
}

export function createRequestAudit(
  audit: Pick<AuditRepository, "add">,
  { logger, now }: { readonly logger: Logger; readonly now: () => number },
): RequestAudit {
  const sums = new Map<string, Sum>();
  async function write({ author, action, told }: Sum, times: number) {
    const object = { kind: "route", id: author.route };
    try {
      await asAuthor(author, () =>
        audit.add({ action, object, accountId: author.accountId, before: null, after: told, times }),
      );
    } catch (error) {
      // It has been refused all the same.
      logger.warn({ error }, "a refusal could not be written to the audit log");
    }
  }
  async function end(ended: (sum: Sum) => boolean) {
    const writes: Promise<void>[] = [];
    for (const [key, sum] of sums)
      if (ended(sum)) {
        sums.delete(key);
        if (sum.times > 0) writes.push(write(sum, sum.times));
      }
    await Promise.all(writes);
  }
  const flushOld = () => void end(({ startMs }) => now() - startMs >= windowMs);
  const timer = setInterval(flushOld, windowMs / 5).unref();

  function refused(author: Author, action: RefusedAction, told: Readonly<Record<string, string>> = {}) {
    flushOld();
    const from = author.id ?? (author.address === null ? "" : addressGroup(author.address));
    const own = `${action} ${author.kind} ${from}`;
    const crowd = sums.has(own) || sums.size < maxApart ? null : { ...authorOf(author.kind, "others"), route: null };
    const key = crowd ? `${action} others` : own;
    const known = sums.get(key);
    if (known) {
      known.times += 1;
      return;
    }
    const sum = { author: crowd ?? author, action, told: crowd ? {} : told, startMs: now(), times: 0 };
    sums.set(key, sum);
    void write(sum, 1);
  }

  return {
    refused,
    request: (author, { permission, path }, work) =>
      asAuthor(author, async (asker) => {
        try {
          const response = await work();
          if (permission.endsWith(".write") && response.status < 400 && !asker.told)
            await audit.add({
              action: "request.done",
              object: { kind: "route", id: author.route },
              accountId: author.accountId,
              before: null,
              after: { path },
            });
          return response;
        } catch (error) {
          if (error instanceof GatewayError && error.kind === "forbidden") refused(author, "request.deny");
          throw error;
        }
      }),
    async close() {
      clearInterval(timer);
      await end(() => true);
    },
  };
}
