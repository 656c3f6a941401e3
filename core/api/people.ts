import { missing } from "../chat/error.ts";
import type { InvitedPerson, MadeLink, MadeToken, PersonService } from "../identity/people.ts";
import type { ListedSession } from "../identity/sessions.ts";
import type { PersonRow, TokenRow } from "../storage/people.ts";
import { IssuerSchema, NewPersonSchema, NewTokenSchema, PersonChangeSchema } from "./people-schemas.ts";
import { type ApiRoute, checkedQuery } from "./route.ts";
import { PageQuerySchema } from "./schemas.ts";

export const peopleRoutes = (service: PersonService): readonly ApiRoute[] => [
  {
    method: "POST",
    path: "/api/people",
    permission: "people.write",
    summary: "Invite somebody, or make a service. The answer is the only one that holds the invitation's link.",
    body: NewPersonSchema,
    status: 201,
    answer: async ({ actor, body }) => invitedAnswer(await service.create(actor, body)),
  },
  {
    method: "GET",
    path: "/api/people",
    permission: "people.read",
    summary: "List people and services, newest first.",
    query: PageQuerySchema,
    async answer({ actor, query }) {
      const page = await service.list(actor, checkedQuery(PageQuerySchema, query));
      return { data: page.data.map(personAnswer), next: page.next };
    },
  },
  {
    method: "GET",
    path: "/api/people/:id",
    permission: "people.read",
    summary: "One person or service.",
    answer: async ({ actor, params }) => personAnswer((await service.get(actor, params.id ?? "")) ?? missing()),
  },
  {
    method: "PATCH",
    path: "/api/people/:id",
    permission: "people.write",
    summary:
      "Change a name, address, role or account. Less counts from the next request on, also in open sessions. Whoever gets more than before begins anew: under another id, with the link in the answer, and nothing of what signed them in.",
    body: PersonChangeSchema,
    answer: async ({ actor, params, body }) =>
      invitedAnswer((await service.change(actor, params.id ?? "", body)) ?? missing()),
  },
  {
    method: "DELETE",
    path: "/api/people/:id",
    permission: "people.write",
    summary: "Remove a person or service with all sessions and tokens. The last owner stays.",
    async answer({ actor, params }) {
      const id = params.id ?? "";
      if (!(await service.remove(actor, id))) missing();
      return { id, removed: true };
    },
  },
  {
    method: "POST",
    path: "/api/people/:id/link",
    permission: "people.write",
    summary: "Make a one-time link to set a password anew, or for the first time. The one before is void.",
    status: 201,
    answer: async ({ actor, params }) => linkAnswer((await service.renewLink(actor, params.id ?? "")) ?? missing()),
  },
  {
    method: "POST",
    path: "/api/people/:id/issuer-removal",
    permission: "people.write",
    summary:
      "Take away a link to an OpenID issuer, and end the sessions. Whoever has no other way to sign in gets the link in the answer.",
    body: IssuerSchema,
    answer: async ({ actor, params, body }) =>
      invitedAnswer((await service.unlink(actor, params.id ?? "", body)) ?? missing()),
  },
  {
    method: "DELETE",
    path: "/api/people/:id/totp",
    permission: "people.write",
    summary: "Take the second factor off somebody who lost it.",
    answer: async ({ actor, params }) => personAnswer((await service.dropTotp(actor, params.id ?? "")) ?? missing()),
  },
  {
    method: "GET",
    path: "/api/people/:id/sessions",
    permission: "people.read",
    summary: "Where somebody is signed in, newest first.",
    async answer({ actor, params }) {
      const sessions = (await service.sessions(actor, params.id ?? "")) ?? missing();
      return { data: sessions.map(sessionAnswer), next: null };
    },
  },
  {
    method: "DELETE",
    path: "/api/people/:id/sessions/:session",
    permission: "people.write",
    summary: "End a session.",
    async answer({ actor, params: { id = "", session = "" } }) {
      if (!(await service.endSession(actor, id, session))) missing();
      return { id: session, removed: true };
    },
  },
  {
    method: "GET",
    path: "/api/people/:id/tokens",
    permission: "people.read",
    summary: "The API tokens of a person or service, newest first.",
    async answer({ actor, params }) {
      const tokens = (await service.tokens(actor, params.id ?? "")) ?? missing();
      return { data: tokens.map(tokenAnswer), next: null };
    },
  },
  {
    method: "POST",
    path: "/api/people/:id/tokens",
    permission: "people.write",
    summary: "Make an API token of a service. The answer is the only one that holds the token itself.",
    body: NewTokenSchema,
    status: 201,
    answer: async ({ actor, params, body }) =>
      madeTokenAnswer((await service.addToken(actor, params.id ?? "", body)) ?? missing()),
  },
  {
    method: "DELETE",
    path: "/api/people/:id/tokens/:token",
    permission: "people.write",
    summary: "Revoke an API token.",
    async answer({ actor, params: { id = "", token = "" } }) {
      if (!(await service.removeToken(actor, id, token))) missing();
      return { id: token, removed: true };
    },
  },
];

export const personAnswer = ({ createdMs, signedInMs, ...row }: PersonRow) => ({
  ...row,
  createdAt: createdMs,
  signedInAt: signedInMs,
});

export const sessionAnswer = ({ digest: _, createdMs, expiresMs, seenMs, ...row }: ListedSession) => ({
  ...row,
  createdAt: createdMs,
  expiresAt: expiresMs,
  seenAt: seenMs,
});

export const tokenAnswer = ({ createdMs, expiresMs, ...row }: TokenRow) => ({
  ...row,
  createdAt: createdMs,
  expiresAt: expiresMs,
});

const madeTokenAnswer = ({ row, token }: MadeToken) => ({ ...tokenAnswer(row), token });

const invitedAnswer = ({ person, link }: InvitedPerson) => ({
  ...personAnswer(person),
  link: link && linkAnswer(link),
});

const linkAnswer = ({ url, expiresMs }: MadeLink) => ({ url, expiresAt: expiresMs });
