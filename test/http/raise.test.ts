import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { api as apiOf, form as formOf, joined as joinedOf, password } from "../audit/people.ts";
import { type Gateway, startGateway } from "../support/process.ts";

/** Whoever manages people may hold what signs somebody in: it ends when that somebody is given more. */
let gateway: Gateway;
beforeAll(async () => {
  gateway = await startGateway({});
}, 30_000);
afterAll(() => gateway.dispose());

const other = "staple correct horse";
const api = (method: string, path: string, body?: unknown, token = gateway.adminToken) =>
  apiOf(gateway, method, path, { body, token });
const form = (path: string, fields: Readonly<Record<string, string>>, cookie?: string) =>
  formOf(gateway, path, fields, cookie);
const login = (fields: Readonly<Record<string, string>>) => form("/dashboard/login", fields);
const page = (path: string, cookie: string) => fetch(gateway.url + path, { redirect: "manual", headers: { cookie } });
const tokenIn = (url: string): string => new URL(url).searchParams.get("token") ?? "";

describe("a raise by hand", () => {
  test("ends what somebody else held of the person, who goes on with a new link; a service's tokens end too", async () => {
    const account: string = (await api("POST", "/api/accounts", { name: "raised" })).body.id;
    // Whoever manages the account takes the invitation that they made.
    const email = `${crypto.randomUUID()}@example.com`;
    const invited = await api("POST", "/api/people", { email, name: "Vic", role: "viewer", accountId: account });
    const { cookie } = await login({ token: tokenIn(invited.body.link.url), password });
    const tokens = await form("/dashboard/me/tokens", { name: "planted" }, cookie ?? "");
    const token = /llmp_pat_[0-9A-Za-z]{49}/.exec(tokens.text)?.[0] ?? "";
    expect((await api("GET", "/api/keys", undefined, token)).status).toBe(200);

    const raised = await api("PATCH", `/api/people/${invited.body.id}`, { role: "admin", accountId: null });
    expect(raised.body).toMatchObject({ email, role: "admin", accountId: null, hasPassword: false });
    expect(raised.body.id).not.toBe(invited.body.id);
    expect((await page("/dashboard/calls", cookie ?? "")).status).not.toBe(200);
    expect((await api("GET", "/api/keys", undefined, token)).status).toBe(401);
    expect((await api("GET", `/api/people/${invited.body.id}`)).status).toBe(404);
    const own = await login({ token: tokenIn(raised.body.link.url), password: other });
    expect((await page("/dashboard/people", own.cookie ?? "")).status).toBe(200);

    // Less is a change in place, and counts in the open session.
    const lowered = await api("PATCH", `/api/people/${raised.body.id}`, { role: "viewer" });
    expect(lowered.body).toMatchObject({ id: raised.body.id, link: null });
    expect((await page("/dashboard/calls", own.cookie ?? "")).status).toBe(200);

    const service = await api("POST", "/api/people", { kind: "service", name: "ci", role: "viewer" });
    const made = await api("POST", `/api/people/${service.body.id}/tokens`, { name: "one" });
    const up = await api("PATCH", `/api/people/${service.body.id}`, { role: "admin" });
    expect(up.body).toMatchObject({ kind: "service", role: "admin", link: null });
    expect((await api("GET", "/api/keys", undefined, made.body.token)).status).toBe(401);

    const { body } = await api("GET", `/api/audit?objectKind=person&limit=200`);
    const told = body.data.map(({ action, objectId }: { action: string; objectId: string }) => `${action} ${objectId}`);
    expect(told).toContain(`person.remove ${invited.body.id}`);
    expect(told).toContain(`person.create ${raised.body.id}`);
  });

  test("on the page it shows the new link once", async () => {
    const boss = await joinedOf(gateway, "owner");
    const viewer = await joinedOf(gateway, "viewer");
    const shown = await form(
      `/dashboard/people/${viewer.id}`,
      { name: "Up", email: viewer.email, role: "admin" },
      boss.cookie,
    );
    expect(shown.status).toBe(201);
    const link = /login\?token=([\w-]+)/.exec(shown.text)?.[1] ?? "";
    expect((await page("/dashboard/calls", viewer.cookie)).status).not.toBe(200);
    expect((await login({ token: link, password: other })).status).toBe(303);
  });
});
