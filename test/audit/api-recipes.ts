import { call, chat } from "../support/clients.ts";
import { api, joined, password } from "./people.ts";
import {
  setup,
  aKey,
  anAccount,
  aBudget,
  aLimit,
  aTestedModel,
  aPrice,
  person,
  aService,
  aToken,
  aSession,
  issuer,
  linked,
  withTotp,
  enrolmentOf,
  content,
  own,
  newPassword,
  deadLetter,
  type Recipe,
  aCredential,
} from "./world.ts";

/** By method and path of the admin API. */
export const apiRecipes: Readonly<Record<string, Recipe>> = {
  "POST /api/keys": () => ({
    path: "/api/keys",
    body: { name: "k", content: "on", budget: { usd: 1, window: "day" } },
    action: "key.create",
  }),
  "PATCH /api/keys/:id": async () => ({
    path: `/api/keys/${await aKey()}`,
    body: { name: "other", content: "off", limits: { requestsPerMinute: 5 } },
    action: "key.change",
  }),
  "POST /api/keys/:id/rotation": async () => ({
    path: `/api/keys/${await aKey()}/rotation`,
    body: { graceSeconds: 60 },
    action: "key.rotate",
  }),
  "DELETE /api/keys/:id": async () => ({ path: `/api/keys/${await aKey()}`, action: "key.revoke" }),
  "POST /api/models/test": async () => {
    const model = await aTestedModel();
    return { path: "/api/models/test", body: { model }, action: "model.test", object: model };
  },
  "POST /api/accounts": () => ({
    path: "/api/accounts",
    body: { name: "a", content: "off" },
    action: "account.create",
  }),
  "PATCH /api/accounts/:id": async () => ({
    path: `/api/accounts/${await anAccount()}`,
    body: { name: "b", disabled: true, content: "forbid", parentId: "default" },
    action: "account.change",
  }),
  "DELETE /api/accounts/:id": async () => ({ path: `/api/accounts/${await anAccount()}`, action: "account.remove" }),
  "POST /api/config/check": () => ({
    path: "/api/config/check",
    action: "request.done",
    object: "POST /api/config/check",
  }),
  "POST /api/config/plan": () => ({
    path: "/api/config/plan",
    action: "request.done",
    object: "POST /api/config/plan",
  }),
  "POST /api/config/reload": () => ({
    path: "/api/config/reload",
    action: "request.done",
    object: "POST /api/config/reload",
  }),
  "POST /api/budgets": () => ({
    path: "/api/budgets",
    body: { scope: { kind: "global" }, usd: 1_000, window: "day" },
    action: "budget.create",
  }),
  "PATCH /api/budgets/:id": async () => ({
    path: `/api/budgets/${await aBudget()}`,
    body: { usd: 2_000, alertPercents: [50] },
    action: "budget.change",
  }),
  "POST /api/budgets/:id/reset": async () => {
    const id = await aBudget();
    await call(setup.gateway, setup.key.key, chat("mock/m"));
    return { path: `/api/budgets/${id}/reset`, action: "budget.reset" };
  },
  "DELETE /api/budgets/:id": async () => ({ path: `/api/budgets/${await aBudget()}`, action: "budget.remove" }),
  "POST /api/limits": () => ({
    path: "/api/limits",
    body: { scope: { kind: "global" }, requestsPerMinute: 60_000 },
    action: "limit.create",
  }),
  "PATCH /api/limits/:id": async () => ({
    path: `/api/limits/${await aLimit()}`,
    body: { concurrency: 1_000, enforce: false },
    action: "limit.change",
  }),
  "DELETE /api/limits/:id": async () => ({ path: `/api/limits/${await aLimit()}`, action: "limit.remove" }),
  "POST /api/ledger/credits": async () => ({
    path: "/api/ledger/credits",
    body: { accountId: await anAccount(), usd: 5 },
    action: "credit.add",
    object: null,
  }),
  "DELETE /api/calls/:id/content": async () => {
    const kept = await content();
    return { path: `/api/calls/${kept.call}/content`, action: "content.remove", object: kept.call };
  },
  "DELETE /api/keys/:id/content": async () => {
    const { key } = await content();
    return { path: `/api/keys/${key}/content`, action: "content.remove", object: key };
  },
  "DELETE /api/accounts/:id/content": async () => {
    const { account } = await content();
    return { path: `/api/accounts/${account}/content`, action: "content.remove", object: account };
  },
  "POST /api/people": () => ({
    path: "/api/people",
    body: { email: `${crypto.randomUUID()}@example.com`, name: "N", role: "viewer" },
    action: "person.create",
  }),
  "PATCH /api/people/:id": async () => ({
    path: `/api/people/${await person()}`,
    body: { role: "member" },
    action: "person.change",
  }),
  "DELETE /api/people/:id": async () => {
    const id = await person();
    return { path: `/api/people/${id}`, action: "person.remove", object: id };
  },
  "POST /api/people/:id/link": async () => {
    const id = await person();
    return { path: `/api/people/${id}/link`, action: "person.link", object: id };
  },
  "POST /api/people/:id/issuer-removal": async () => ({
    path: `/api/people/${(await linked()).id}/issuer-removal`,
    body: { issuer },
    action: "person.unlink",
  }),
  "POST /api/me/issuer-removal": async () => {
    const by = await linked();
    return { path: "/api/me/issuer-removal", body: { issuer }, by, action: "person.unlink", object: by.id };
  },
  "DELETE /api/people/:id/totp": async () => ({
    path: `/api/people/${(await withTotp()).id}/totp`,
    action: "person.totp",
  }),
  "DELETE /api/people/:id/sessions/:session": async () => {
    const { one, session } = await aSession();
    return { path: `/api/people/${one.id}/sessions/${session}`, action: "session.end", object: session };
  },
  "POST /api/people/:id/tokens": async () => ({
    path: `/api/people/${await aService()}/tokens`,
    body: { name: "t" },
    action: "token.create",
  }),
  "DELETE /api/people/:id/tokens/:token": async () => {
    const { service, token } = await aToken();
    return { path: `/api/people/${service}/tokens/${token}`, action: "token.remove", object: token };
  },
  "PATCH /api/me": () => own({ name: "Another" }, "", "person.change"),
  "POST /api/me/password": () => own(newPassword, "/password", "person.password"),
  "DELETE /api/me/sessions/:id": async () => {
    const { one, session } = await aSession();
    return { path: `/api/me/sessions/${session}`, by: one, action: "session.end", object: session };
  },
  "DELETE /api/me/tokens/:id": async () => {
    const by = await joined(setup.gateway, "viewer");
    const { body } = await api(setup.gateway, "GET", "/api/me/tokens", { token: by.token });
    const token: string = body.data[0].id;
    return { path: `/api/me/tokens/${token}`, by, action: "token.remove", object: token };
  },
  "POST /api/me/totp": () => own({ password }, "/totp", "request.done", "POST /api/me/totp"),
  "POST /api/me/totp/confirmation": async () => {
    const by = await joined(setup.gateway, "viewer");
    const body = await enrolmentOf(by);
    return { path: "/api/me/totp/confirmation", body, by, action: "person.totp", object: by.id };
  },
  "POST /api/me/totp/removal": async () => {
    const by = await withTotp();
    return { path: "/api/me/totp/removal", body: { password }, by, action: "person.totp", object: by.id };
  },
  "POST /api/ledger/reprice": () => ({
    path: "/api/ledger/reprice",
    body: { from: 1, to: 2, reason: "a test", dryRun: false },
    action: "ledger.reprice",
    object: null,
  }),
  "POST /api/prices": () => ({
    path: "/api/prices",
    body: { target: "mock/lab-*", input: "1", output: "2" },
    action: "price.set",
  }),
  "DELETE /api/prices/:id": async () => {
    const id = await aPrice();
    return { path: `/api/prices/${id}`, action: "price.remove", object: id };
  },
  "POST /api/prices/charges": () => ({
    path: "/api/prices/charges",
    body: { target: "mock/lab-*", margin: "10" },
    action: "charge.set",
  }),
  "POST /api/outbox/:receiver/retry": () => ({
    path: "/api/outbox/ops/retry",
    action: "delivery.retry",
    object: "ops",
  }),
  "POST /api/outbox/:receiver/dead/:event/retry": () => ({
    path: `/api/outbox/ops/dead/${deadLetter()}/retry`,
    action: "delivery.retry",
    object: "ops",
  }),
  "POST /api/outbox/:receiver/test": () => ({
    path: "/api/outbox/ops/test",
    action: "request.done",
    object: "POST /api/outbox/:receiver/test",
  }),
  "POST /api/providers/:name/credentials": () => ({
    path: "/api/providers/mock/credentials",
    body: { apiKey: "sk-of-a-recipe-0123456789" },
    action: "credential.create",
  }),
  "PATCH /api/providers/:name/credentials/:id": async () => ({
    path: `/api/providers/mock/credentials/${await aCredential()}`,
    body: { weight: 7 },
    action: "credential.change",
  }),
  "DELETE /api/providers/:name/credentials/:id": async () => {
    const id = await aCredential();
    return { path: `/api/providers/mock/credentials/${id}`, action: "credential.remove", object: id };
  },
};
