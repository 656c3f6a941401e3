import { missing } from "../chat/error.ts";
import type { OwnService } from "../identity/people.ts";
import { ownCalls, ownUsage } from "../identity/own-calls.ts";
import type { Actor } from "../identity/policy.ts";
import type { TenantDatabase } from "../identity/tenancy.ts";
import { callAnswer, sumsAnswer } from "./calls.ts";
import { personAnswer, sessionAnswer, tokenAnswer } from "./people.ts";
import { IssuerSchema, OwnNameSchema, OwnPasswordSchema, PasswordAgainSchema, TotpSchema } from "./people-schemas.ts";
import { type ApiRoute, checkedQuery } from "./route.ts";
import { OwnUsageQuerySchema, PageQuerySchema } from "./schemas.ts";

/** What people do for themselves, by a token of their own. */
export const ownRoutes = (
  service: OwnService,
  database: Pick<TenantDatabase, "calls">,
  now: () => number,
): readonly ApiRoute[] => [
  {
    method: "GET",
    path: "/api/me/calls",
    permission: "calls.read.own",
    summary:
      "List the calls of the account one belongs to, without those below it, those in flight before all others, then the latest ended first.",
    query: PageQuerySchema,
    async answer({ actor, query }) {
      const { data, next } = await ownCalls(database, actor, checkedQuery(PageQuerySchema, query));
      return { data: data.map(callAnswer), next };
    },
  },
  {
    method: "GET",
    path: "/api/me/usage",
    permission: "calls.read.own",
    summary: "Sums over the calls of the account one belongs to, admitted in [from, to).",
    query: OwnUsageQuerySchema,
    async answer({ actor, query }) {
      const { from = 0, to = now() + 1 } = checkedQuery(OwnUsageQuerySchema, query);
      return { total: sumsAnswer(await ownUsage(database, actor, { from, to })) };
    },
  },
  {
    method: "GET",
    path: "/api/me",
    permission: "me.read",
    summary: "Who asks, and with which role.",
    answer: async ({ actor }) => meAnswer(actor, await service.person(actor)),
  },
  {
    method: "PATCH",
    path: "/api/me",
    permission: "me.write",
    summary: "Change one's own name.",
    body: OwnNameSchema,
    answer: async ({ actor, body }) => meAnswer(actor, await service.rename(actor, body)),
  },
  {
    method: "POST",
    path: "/api/me/password",
    permission: "me.write",
    summary: "Set one's own password. Every session ends.",
    body: OwnPasswordSchema,
    async answer({ actor, body }) {
      await service.setPassword(actor, body, null);
      return { changed: true };
    },
  },
  {
    method: "GET",
    path: "/api/me/sessions",
    permission: "me.read",
    summary: "Where one is signed in, newest first.",
    answer: async ({ actor }) => ({ data: (await service.sessions(actor)).map(sessionAnswer), next: null }),
  },
  {
    method: "DELETE",
    path: "/api/me/sessions/:id",
    permission: "me.write",
    summary: "End one of one's own sessions.",
    async answer({ actor, params: { id = "" } }) {
      if (!(await service.endSession(actor, id))) missing();
      return { id, removed: true };
    },
  },
  {
    method: "GET",
    path: "/api/me/tokens",
    permission: "me.read",
    summary: "One's own API tokens, newest first. They are made in the dashboard.",
    answer: async ({ actor }) => ({ data: (await service.tokens(actor)).map(tokenAnswer), next: null }),
  },
  {
    method: "DELETE",
    path: "/api/me/tokens/:id",
    permission: "me.write",
    summary: "Revoke one of one's own API tokens.",
    async answer({ actor, params: { id = "" } }) {
      if (!(await service.removeToken(actor, id))) missing();
      return { id, removed: true };
    },
  },
  {
    method: "POST",
    path: "/api/me/issuer-removal",
    permission: "me.write",
    summary: "Take away one's own link to an OpenID issuer, and end the sessions. The last way to sign in stays.",
    body: IssuerSchema,
    answer: async ({ actor, body }) => personAnswer((await service.unlink(actor, body, null)) ?? missing()),
  },
  {
    method: "POST",
    path: "/api/me/totp",
    permission: "me.write",
    summary: "Begin with a second factor: a secret for an app, which counts from the confirmation on.",
    body: PasswordAgainSchema,
    answer: ({ actor, body }) => service.beginTotp(actor, body),
  },
  {
    method: "POST",
    path: "/api/me/totp/confirmation",
    permission: "me.write",
    summary: "Confirm the second factor by its first code. The answer is the only one that holds the recovery codes.",
    body: TotpSchema,
    answer: async ({ actor, body }) => ({ recoveryCodes: await service.confirmTotp(actor, body) }),
  },
  {
    method: "POST",
    path: "/api/me/totp/removal",
    permission: "me.write",
    summary: "Do without the second factor.",
    body: PasswordAgainSchema,
    async answer({ actor, body }) {
      await service.dropTotp(actor, body);
      return { removed: true };
    },
  },
];

const meAnswer = ({ kind, id, name, role, accountId }: Actor, person: Awaited<ReturnType<OwnService["person"]>>) => ({
  id,
  name,
  role,
  accountId,
  ...(person && personAnswer(person)),
  kind,
});
