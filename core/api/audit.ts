import { missing } from "../chat/error.ts";
import { isJsonObject } from "../chat/json.ts";
import type { TenantDatabase } from "../identity/tenancy.ts";
import type { AuditHead, AuditRepository, AuditRow } from "../storage/audit.ts";
import { emptyHead } from "../storage/audit-chain.ts";
import { AuditQuerySchema, VerifyQuerySchema } from "./audit-schemas.ts";
import { type ApiRoute, checkedQuery } from "./route.ts";

export const auditRoutes = ({ audit }: Pick<TenantDatabase, "audit">, now: () => number): readonly ApiRoute[] => [
  {
    method: "GET",
    path: "/api/audit",
    permission: "audit.read",
    summary:
      "List what was changed, by whom, newest first; those of an account see what was done to its objects. In a long log a page may be short or empty: go on with `next`.",
    query: AuditQuerySchema,
    async answer({ query }) {
      const { after, limit, ...filter } = checkedQuery(AuditQuerySchema, query);
      const paging = { ...(after === undefined ? {} : { after }), ...(limit === undefined ? {} : { limit }) };
      const page = await audit.list(filter, paging);
      return { data: page.data.map(auditAnswer), next: page.next };
    },
  },
  {
    method: "GET",
    path: "/api/audit/head",
    permission: "audit.verify",
    summary: "The newest entry's number and hash, to be kept outside: no one can take entries up to it away unseen.",
    answer: async () => audit.head(),
  },
  {
    method: "GET",
    path: "/api/audit/verify",
    permission: "audit.verify",
    summary:
      "Work out every hash anew, from the first entry or behind `after`. `ok: null`: not done yet, go on with `after` = `next`.",
    query: VerifyQuerySchema,
    async answer({ query }) {
      const { after } = checkedQuery(VerifyQuerySchema, query);
      const [seq = "0", hash = ""] = after?.split("-") ?? [];
      return verified(audit, after === undefined ? emptyHead : { seq: Number(seq), hash }, now);
    },
  },
  {
    method: "GET",
    path: "/api/audit/:seq",
    permission: "audit.read",
    summary: "One entry of the audit log.",
    async answer({ params }) {
      const seq = /^[0-9]{1,15}$/.test(params.seq ?? "") ? Number(params.seq) : 0;
      return auditAnswer((await audit.get(seq)) ?? missing());
    },
  },
];

/** A part at a time, so that nobody waits for it long; a request ends before its connection is taken for dead. */
async function verified(audit: Pick<AuditRepository, "get" | "verify">, from: AuditHead, now: () => number) {
  const startMs = now();
  // What was kept elsewhere must be here as it was.
  const known = from.seq === 0 ? from : await audit.get(from.seq);
  if (known?.hash !== from.hash)
    return {
      ok: false,
      through: null,
      broken: { seq: from.seq, why: "it has another hash, or is missing" },
      next: null,
    };
  for (let at = from; ;) {
    const { through, broken, more } = await audit.verify(at, entriesAtOnce);
    if (!more) return { ok: broken === null, through, broken, next: null };
    if (now() - startMs > maxMs) return { ok: null, through, broken, next: `${through.seq}-${through.hash}` };
    at = through;
  }
}

const entriesAtOnce = 5_000;
const maxMs = 4_000;

const auditAnswer = ({ createdMs, before, after, ...row }: AuditRow) => ({
  ...row,
  before: fieldsIn(before),
  after: fieldsIn(after),
  createdAt: createdMs,
});

/** The fields that are told on one side of a change; `null`: the object was not there. */
function fieldsIn(text: string | null) {
  if (text === null) return null;
  const value: unknown = JSON.parse(text);
  return isJsonObject(value) ? value : null;
}
