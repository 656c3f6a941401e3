import { call, chat } from "../support/clients.ts";
import { api, form, joined, password } from "./people.ts";
import {
  setup,
  admin,
  aKey,
  anAccount,
  aBudget,
  aLimit,
  aTestedModel,
  aPrice,
  aCharge,
  person,
  aService,
  aToken,
  aSession,
  issuer,
  linked,
  withTotp,
  enrolmentOf,
  content,
  newPassword,
  of,
  mine,
  type Recipe,
  aCredential,
} from "./world.ts";

/** By method and path of the forms on pages. */
export const pageRecipes: Readonly<Record<string, Recipe>> = {
  "POST /dashboard/logout": async () => {
    const { one, session } = await aSession();
    return { path: "/dashboard/logout", by: one, action: "session.end", object: session };
  },
  "POST /dashboard/calls/:id/content-removal": async () => {
    const kept = await content();
    return { path: `/dashboard/calls/${kept.call}/content-removal`, action: "content.remove", object: kept.call };
  },
  "POST /dashboard/keys": () => ({
    path: "/dashboard/keys",
    body: { name: "k", accountId: "default", budget: "1", window: "day", content: "on" },
    action: "key.create",
    object: null,
  }),
  "POST /dashboard/keys/:id/revocation": () => of(aKey, (id) => `/dashboard/keys/${id}/revocation`, {}, "key.revoke"),
  "POST /dashboard/keys/:id": () => of(aKey, (id) => `/dashboard/keys/${id}`, { name: "renamed" }, "key.change"),
  "POST /dashboard/keys/:id/state": () =>
    of(aKey, (id) => `/dashboard/keys/${id}/state`, { disabled: "true" }, "key.change"),
  "POST /dashboard/keys/:id/rotation": () =>
    of(aKey, (id) => `/dashboard/keys/${id}/rotation`, { graceSeconds: "60" }, "key.rotate"),
  "POST /dashboard/test-call": async () => {
    const model = await aTestedModel();
    return { path: "/dashboard/test-call", body: { model }, action: "model.test", object: model };
  },
  "POST /dashboard/accounts": () => ({
    path: "/dashboard/accounts",
    body: { name: "a" },
    action: "account.create",
    object: null,
  }),
  "POST /dashboard/accounts/:id": () =>
    of(anAccount, (id) => `/dashboard/accounts/${id}`, { name: "renamed", content: "on" }, "account.change"),
  "POST /dashboard/accounts/:id/state": () =>
    of(anAccount, (id) => `/dashboard/accounts/${id}/state`, { disabled: "true" }, "account.change"),
  "POST /dashboard/accounts/:id/removal": () =>
    of(anAccount, (id) => `/dashboard/accounts/${id}/removal`, {}, "account.remove"),
  "POST /dashboard/budgets": () => ({
    path: "/dashboard/budgets",
    body: { kind: "global", usd: "1000", window: "day" },
    action: "budget.create",
    object: null,
  }),
  "POST /dashboard/budgets/:id": () =>
    of(aBudget, (id) => `/dashboard/budgets/${id}`, { usd: "2000" }, "budget.change"),
  "POST /dashboard/budgets/:id/increase": () =>
    of(aBudget, (id) => `/dashboard/budgets/${id}/increase`, { usd: "5", until: "2099-01-01" }, "budget.change"),
  "POST /dashboard/budgets/:id/reset": async () => {
    const id = await aBudget();
    await call(setup.gateway, setup.key.key, chat("mock/m"));
    return { path: `/dashboard/budgets/${id}/reset`, body: {}, action: "budget.reset", object: id };
  },
  "POST /dashboard/budgets/:id/removal": () =>
    of(aBudget, (id) => `/dashboard/budgets/${id}/removal`, {}, "budget.remove"),
  "POST /dashboard/limits": () => ({
    path: "/dashboard/limits",
    body: { kind: "global", amount: "60000", measure: "requests", per: "minute" },
    action: "limit.create",
    object: null,
  }),
  "POST /dashboard/limits/:id": () =>
    of(aLimit, (id) => `/dashboard/limits/${id}`, { requestsPerMinute: "70000" }, "limit.change"),
  "POST /dashboard/limits/:id/removal": () => of(aLimit, (id) => `/dashboard/limits/${id}/removal`, {}, "limit.remove"),
  "POST /dashboard/ledger/credits": async () => ({
    path: "/dashboard/ledger/credits",
    body: { accountId: await anAccount(), usd: "5" },
    action: "credit.add",
    object: null,
  }),
  "POST /dashboard/alerts/:receiver/test": () => ({
    path: "/dashboard/alerts/ops/test",
    action: "request.done",
    object: "POST /dashboard/alerts/:receiver/test",
  }),
  "POST /dashboard/alerts/:receiver/retry": () => ({
    path: "/dashboard/alerts/ops/retry",
    action: "delivery.retry",
    object: "ops",
  }),
  "POST /dashboard/config/plan": () => ({
    path: "/dashboard/config/plan",
    action: "request.done",
    object: "POST /dashboard/config/plan",
  }),
  "POST /dashboard/config/reload": () => ({
    path: "/dashboard/config/reload",
    action: "request.done",
    object: "POST /dashboard/config/reload",
  }),
  "POST /dashboard/prices": () => ({
    path: "/dashboard/prices",
    body: { target: "mock/lab-*", input: "1", output: "2" },
    action: "price.set",
    object: null,
  }),
  "POST /dashboard/prices/:id/removal": () => of(aPrice, (id) => `/dashboard/prices/${id}/removal`, {}, "price.remove"),
  "POST /dashboard/prices/charges": () => ({
    path: "/dashboard/prices/charges",
    body: { target: "mock/lab-*", margin: "10" },
    action: "charge.set",
    object: null,
  }),
  "POST /dashboard/prices/charges/:id/removal": () =>
    of(aCharge, (id) => `/dashboard/prices/charges/${id}/removal`, {}, "charge.remove"),
  "POST /dashboard/providers/:name/credentials": () => ({
    path: "/dashboard/providers/mock/credentials",
    body: { apiKey: "sk-of-a-recipe-0123456789", weight: "1" },
    action: "credential.create",
    object: null,
  }),
  "POST /dashboard/providers/:name/credentials/:id": () =>
    of(aCredential, (id) => `/dashboard/providers/mock/credentials/${id}`, { weight: "7" }, "credential.change"),
  "POST /dashboard/providers/:name/credentials/:id/removal": () =>
    of(aCredential, (id) => `/dashboard/providers/mock/credentials/${id}/removal`, {}, "credential.remove"),
  "POST /dashboard/people": () => ({
    path: "/dashboard/people",
    body: { kind: "person", email: `${crypto.randomUUID()}@example.com`, name: "N", role: "viewer" },
    action: "person.create",
    object: null,
  }),
  "POST /dashboard/people/:id": () =>
    of(person, (id) => `/dashboard/people/${id}`, { name: "Renamed", role: "member" }, "person.change"),
  "POST /dashboard/people/:id/link": () => of(person, (id) => `/dashboard/people/${id}/link`, {}, "person.link"),
  "POST /dashboard/people/:id/tokens": async () => ({
    path: `/dashboard/people/${await aService()}/tokens`,
    body: { name: "t" },
    action: "token.create",
    object: null,
  }),
  "POST /dashboard/people/:id/tokens/:token/removal": async () => {
    const { service, token } = await aToken();
    return { path: `/dashboard/people/${service}/tokens/${token}/removal`, action: "token.remove", object: token };
  },
  "POST /dashboard/people/:id/sessions/:session/removal": async () => {
    const { one, session } = await aSession();
    return { path: `/dashboard/people/${one.id}/sessions/${session}/removal`, action: "session.end", object: session };
  },
  "POST /dashboard/people/:id/totp-removal": () =>
    of(
      async () => (await withTotp()).id,
      (id) => `/dashboard/people/${id}/totp-removal`,
      {},
      "person.totp",
    ),
  "POST /dashboard/people/:id/issuer-removal": () =>
    of(
      async () => (await linked()).id,
      (id) => `/dashboard/people/${id}/issuer-removal`,
      { issuer },
      "person.unlink",
    ),
  "POST /dashboard/me/issuer-removal": async () => {
    const by = await linked();
    return { path: "/dashboard/me/issuer-removal", body: { issuer }, by, action: "person.unlink", object: by.id };
  },
  "POST /dashboard/people/:id/removal": () =>
    of(person, (id) => `/dashboard/people/${id}/removal`, {}, "person.remove"),
  "POST /dashboard/me/password": () => mine("/password", newPassword, "person.password"),
  "POST /dashboard/me/tokens": async () => ({
    ...(await mine("/tokens", { name: "t" }, "token.create")),
    object: null,
  }),
  "POST /dashboard/me/tokens/:id/removal": async () => {
    const by = await joined(setup.gateway, "viewer");
    const { body } = await api(setup.gateway, "GET", "/api/me/tokens", { token: by.token });
    const token: string = body.data[0].id;
    return { path: `/dashboard/me/tokens/${token}/removal`, by, action: "token.remove", object: token };
  },
  "POST /dashboard/me/sessions/:id/removal": async () => {
    const { one } = await aSession();
    await form(setup.gateway, "/dashboard/login", { email: one.email, password });
    const { data } = await admin("GET", `/api/people/${one.id}/sessions`);
    const session: string = data[0].id;
    return { path: `/dashboard/me/sessions/${session}/removal`, by: one, action: "session.end", object: session };
  },
  "POST /dashboard/me/totp": async () => ({
    ...(await mine("/totp", { password }, "request.done")),
    object: "POST /dashboard/me/totp",
  }),
  "POST /dashboard/me/totp/confirmation": async () => {
    const by = await joined(setup.gateway, "viewer");
    const body = await enrolmentOf(by);
    return { path: "/dashboard/me/totp/confirmation", body, by, action: "person.totp", object: by.id };
  },
  "POST /dashboard/me/totp/removal": async () => {
    const by = await withTotp();
    return { path: "/dashboard/me/totp/removal", body: { password }, by, action: "person.totp", object: by.id };
  },
};
