import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { Secret, TOTP } from "otpauth";
import { type Gateway, startGateway } from "../support/process.ts";

/** People from outside: the first owner's link, invitations, signing in, roles, tokens, and how each of them ends. */
let gateway: Gateway;
let firstLink = "";
beforeAll(async () => {
  gateway = await startGateway({});
  firstLink = /dashboard\/login\?token=([\w-]+)/.exec(gateway.log())?.[1] ?? "";
}, 30_000);
afterAll(() => gateway.dispose());

const password = "correct horse battery";
const other = "staple correct horse";

interface Answer {
  readonly status: number;
  readonly text: string;
  readonly headers: Headers;
  // What an endpoint answers is for the test to say.
  readonly body: ReturnType<typeof JSON.parse>;
}

async function api(method: string, path: string, body?: unknown, token = gateway.adminToken): Promise<Answer> {
  const response = await fetch(gateway.url + path, {
    method,
    headers: { authorization: `Bearer ${token}`, ...(body !== undefined && { "content-type": "application/json" }) },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  const isJson = response.headers.get("content-type")?.startsWith("application/json") === true;
  return { status: response.status, text, headers: response.headers, body: isJson ? JSON.parse(text) : null };
}

/** A form of the dashboard, as a browser sends it; `cookie` of a session adds its token. */
async function form(path: string, fields: Readonly<Record<string, string>>, cookie?: string) {
  const csrf = cookie === undefined ? {} : { csrf: await csrfOf(cookie) };
  const response = await fetch(gateway.url + path, {
    method: "POST",
    redirect: "manual",
    headers: { origin: gateway.url, ...(cookie !== undefined && { cookie }) },
    body: new URLSearchParams({ ...csrf, ...fields }),
  });
  const set = /^[^;]+/.exec(response.headers.get("set-cookie") ?? "")?.[0] ?? null;
  return { status: response.status, text: await response.text(), cookie: set };
}
const login = (fields: Readonly<Record<string, string>>) => form("/dashboard/login", fields);

async function page(path: string, cookie: string): Promise<{ readonly status: number; readonly text: string }> {
  const response = await fetch(gateway.url + path, { redirect: "manual", headers: { cookie } });
  return { status: response.status, text: await response.text() };
}
const csrfOf = async (cookie: string): Promise<string> =>
  /x-csrf-token&quot;:&quot;(\w+)/.exec((await page("/dashboard/me", cookie)).text)?.[1] ?? "";

const tokenIn = (url: string): string => new URL(url).searchParams.get("token") ?? "";

/** Invited with the role, and signed in. */
async function joined(role: string, email = `${crypto.randomUUID()}@example.com`) {
  const invited = await api("POST", "/api/people", { email, name: `a ${role}`, role });
  expect(invited.status).toBe(201);
  const { cookie } = await login({ token: tokenIn(invited.body.link.url), password });
  const id: string = invited.body.id;
  return { id, email, cookie: cookie ?? "" };
}

describe("the first owner", () => {
  test("sets address and password on the page of the first start's link, which a slip does not use up", async () => {
    const shown = await (await fetch(`${gateway.url}/dashboard/login?token=${firstLink}`)).text();
    expect(shown).toContain('name="email"');
    const short = await login({ token: firstLink, email: "Ada@Example.com", password: "short" });
    expect([short.status, short.cookie]).toEqual([422, null]);
    expect(short.text).toContain("12 to 256 characters");
    const done = await login({ token: firstLink, email: "Ada@Example.com", password });
    expect(done.status).toBe(303);
    expect((await page("/dashboard", done.cookie ?? "")).status).toBe(200);
    expect((await login({ token: firstLink, email: "eve@example.com", password })).status).toBe(401);
    const { body } = await api("GET", "/api/people");
    expect(body.data).toMatchObject([{ email: "ada@example.com", role: "owner", accountId: null, hasPassword: true }]);
    expect(JSON.stringify(body)).not.toContain("argon2");
  });

  test("signs in with any case of the address, and with the admin token as before", async () => {
    expect((await login({ email: " ADA@example.COM ", password })).status).toBe(303);
    expect((await login({ token: gateway.adminToken })).status).toBe(303);
  });

  test("stays while there is no other", async () => {
    const id: string = (await api("GET", "/api/people")).body.data[0].id;
    expect((await api("PATCH", `/api/people/${id}`, { role: "admin" })).status).toBe(409);
    expect((await api("DELETE", `/api/people/${id}`)).status).toBe(409);
  });
});

describe("an invitation", () => {
  test("is shown once, sets a password once, and is void when another one is made", async () => {
    const invited = await api("POST", "/api/people", { email: "bob@example.com", name: "Bob", role: "viewer" });
    const first = tokenIn(invited.body.link.url);
    expect(invited.body.link.url).toStartWith("http");
    expect((await api("GET", `/api/people/${invited.body.id}`)).text).not.toContain(first);
    const second = tokenIn((await api("POST", `/api/people/${invited.body.id}/link`)).body.url);
    expect((await login({ token: first, password })).status).toBe(401);
    expect(await (await fetch(`${gateway.url}/dashboard/login?token=${second}`)).text()).toContain("bob@example.com");
    const cookie = (await login({ token: second, password })).cookie ?? "";
    expect((await page("/dashboard/calls", cookie)).status).toBe(200);
    expect((await login({ token: second, password: other })).status).toBe(401);
  });

  test("to an address that somebody has is refused, and so are fields that nobody offered and a name that nobody sees", async () => {
    expect((await api("POST", "/api/people", { email: "BOB@example.com", name: "B", role: "viewer" })).status).toBe(
      409,
    );
    for (const more of [
      { id: "x" },
      { password: "p" },
      { hasPassword: true },
      { tenant_id: "x" },
      { is_admin: true },
      { name: " " },
      { name: "\ud800" },
    ]) {
      const body = { email: "new@example.com", name: "N", role: "viewer", ...more };
      expect([more, (await api("POST", "/api/people", body)).status]).toEqual([more, 400]);
    }
  });
});

describe("signing in", () => {
  test("tells nothing apart: unknown address, wrong password, invited, empty", async () => {
    await api("POST", "/api/people", { email: "invited@example.com", name: "I", role: "viewer" });
    const tries = [
      { email: "nobody@example.com", password },
      { email: "ada@example.com", password: other },
      { email: "invited@example.com", password: "" },
    ];
    const texts = new Set<string>();
    for (const fields of tries) {
      const { status, text, cookie } = await login(fields);
      expect([status, cookie]).toEqual([401, null]);
      texts.add(text.replaceAll(fields.email, ""));
    }
    expect(texts.size).toBe(1);
  });
});

describe("a role", () => {
  test("counts from the next request on in an open session, and a removed person's is over", async () => {
    const { id, cookie } = await joined("admin");
    expect((await page("/dashboard/people", cookie)).status).toBe(200);
    expect((await api("PATCH", `/api/people/${id}`, { role: "viewer" })).status).toBe(200);
    expect((await page("/dashboard/people", cookie)).status).toBe(403);
    expect((await page("/dashboard/calls", cookie)).status).toBe(200);
    expect((await form("/dashboard/keys", { name: "mine" }, cookie)).status).toBe(403);
    await api("PATCH", `/api/people/${id}`, { role: "member" });
    expect((await page("/dashboard/calls", cookie)).status).toBe(403);
    expect((await page("/dashboard/me", cookie)).status).toBe(200);
    expect((await api("DELETE", `/api/people/${id}`)).status).toBe(200);
    expect((await page("/dashboard/me", cookie)).status).toBe(303);
  });

  test("is never handed out by somebody below it, nor is who has it touched", async () => {
    const admin = await joined("admin");
    const token = await tokenOf(admin.cookie);
    const owner: string = (await api("GET", "/api/people")).body.data.at(-1).id;
    const tries: readonly (readonly [string, string, unknown?])[] = [
      ["POST", "/api/people", { email: "x@example.com", name: "X", role: "owner" }],
      ["PATCH", `/api/people/${admin.id}`, { role: "owner" }],
      ["PATCH", `/api/people/${owner}`, { name: "mine now" }],
      ["DELETE", `/api/people/${owner}`],
      ["POST", `/api/people/${owner}/link`],
      ["DELETE", `/api/people/${owner}/totp`],
    ];
    for (const [method, path, body] of tries)
      expect([method, path, (await api(method, path, body, token)).status]).toEqual([method, path, 403]);
    const own = { role: "owner", accountId: null, hasPassword: false, id: "x" };
    expect((await api("PATCH", "/api/me", { name: "new", ...own }, token)).status).toBe(400);
    expect((await api("GET", "/api/me", undefined, token)).body).toMatchObject({ role: "admin", kind: "api-token" });
  });
});

describe("somebody of an account", () => {
  test("sees that account alone, from lists that other threads read too, until they are moved", async () => {
    const account = (name: string, parentId?: string) =>
      api("POST", "/api/accounts", { name, parentId }).then(({ body }) => String(body.id));
    const [ours, theirs] = [await account("ours"), await account("theirs")];
    const inner = await account("inner", ours);
    for (const [name, accountId] of [
      ["inner key", inner],
      ["our key", ours],
      ["their key", theirs],
    ])
      await api("POST", "/api/keys", { name, accountId });
    const invited = await api("POST", "/api/people", {
      email: `${crypto.randomUUID()}@example.com`,
      name: "of ours",
      role: "admin",
      accountId: ours,
    });
    const cookie = (await login({ token: tokenIn(invited.body.link.url), password })).cookie ?? "";
    const token = await tokenOf(cookie);
    const names = async () => {
      const { body } = await api("GET", "/api/keys", undefined, token);
      return body.data.map(({ name }: { name: string }) => name);
    };
    expect(await names()).toEqual(["our key", "inner key"]);
    expect((await page("/dashboard/keys", cookie)).text).not.toContain("their key");
    expect((await page("/dashboard", cookie)).status).toBe(200);
    for (const path of ["/api/calls", "/api/usage", "/api/ledger", "/api/calls/export", "/api/usage/export"])
      expect([path, (await api("GET", path, undefined, token)).status]).toEqual([path, 200]);
    expect((await api("GET", "/api/prices", undefined, token)).status).toBe(403);
    await api("PATCH", `/api/people/${invited.body.id}`, { accountId: inner });
    expect(await names()).toEqual(["inner key"]);
    expect((await api("DELETE", `/api/accounts/${inner}`)).status).toBe(409);
    // Elsewhere they have seen nothing before: they begin anew.
    await api("PATCH", `/api/people/${invited.body.id}`, { accountId: theirs });
    expect((await api("GET", "/api/keys", undefined, token)).status).toBe(401);
  });
});

describe("a viewer", () => {
  test("finds every form of every page refused, and sees none of them", async () => {
    const { cookie } = await joined("viewer");
    const owner = (await login({ email: "ada@example.com", password })).cookie ?? "";
    await api("POST", "/api/budgets", { scope: { kind: "global" }, usd: 1, window: "day" });
    const actions = new Set<string>();
    const seen = new Set<string>();
    // As the owner finds them: with every link that the pages give.
    for (const queue = ["/dashboard"]; queue.length > 0 && seen.size < 60;) {
      const path = queue.shift() ?? "";
      if (seen.has(path)) continue;
      seen.add(path);
      const { text } = await page(path, owner);
      for (const [, action = ""] of text.matchAll(/(?:method="post" action|hx-(?:post|put|patch|delete))="([^"]+)"/g))
        actions.add(action);
      for (const [, link = ""] of text.matchAll(/href="(\/dashboard[^"?#]*)"/g))
        if (!link.includes("/assets/")) queue.push(link);
    }
    const own = /^\/dashboard\/(me\/|logout)/;
    const foreign = [...actions].filter((action) => !own.test(action));
    expect(foreign.length).toBeGreaterThan(10);
    const csrf = await csrfOf(cookie);
    for (const action of foreign)
      expect([action, (await form(action, { csrf }, cookie)).status]).toEqual([action, 403]);
    expect((await page("/dashboard/keys", cookie)).text).toContain('<main id="main" class="reads">');
    expect((await page("/dashboard/me", cookie)).text).toContain('<main id="main">');
  });
});

describe("a personal API token", () => {
  test("acts with its person's role, is kept as a hash alone, and ends when it is revoked", async () => {
    const viewer = await joined("viewer");
    const token = await tokenOf(viewer.cookie);
    expect(token).toMatch(/^llmp_pat_[0-9A-Za-z]{49}$/);
    gateway.secrets.add(token);
    expect((await api("GET", "/api/keys", undefined, token)).status).toBe(200);
    expect((await api("POST", "/api/keys", { name: "x" }, token)).status).toBe(403);
    expect((await api("GET", "/api/keys", undefined, `${token.slice(0, -1)}!`)).status).toBe(401);
    const { body } = await api("GET", "/api/me/tokens", undefined, token);
    expect(JSON.stringify(body)).not.toContain(token);
    expect(body.data).toMatchObject([{ name: "ci", last4: token.slice(-4) }]);
    await api("PATCH", `/api/people/${viewer.id}`, { role: "member" });
    expect((await api("GET", "/api/keys", undefined, token)).status).toBe(403);
    expect((await api("DELETE", `/api/me/tokens/${body.data[0].id}`, undefined, token)).status).toBe(200);
    expect((await api("GET", "/api/me", undefined, token)).status).toBe(401);
    expect(gateway.log()).not.toContain(token);
  });

  test("of a service is made for it, and is not its person's to make more of", async () => {
    const service = await api("POST", "/api/people", { kind: "service", name: "deploys", role: "admin" });
    expect(service.body).toMatchObject({ link: null, email: null });
    const made = await api("POST", `/api/people/${service.body.id}/tokens`, { name: "ci" });
    expect((await api("GET", "/api/me", undefined, made.body.token)).body).toMatchObject({ name: "deploys" });
    const viewer = await joined("viewer");
    expect((await api("POST", `/api/people/${viewer.id}/tokens`, { name: "ci" })).status).toBe(409);
    expect((await api("POST", `/api/people/${service.body.id}/link`)).status).toBe(409);
    await api("DELETE", `/api/people/${service.body.id}`);
    expect((await api("GET", "/api/me", undefined, made.body.token)).status).toBe(401);
  });
});

describe("a password", () => {
  test("is changed by who knows it, ends the other sessions, and is reset by a link", async () => {
    const one = await joined("viewer");
    const second = (await login({ email: one.email, password })).cookie ?? "";
    expect((await form("/dashboard/me/password", { current: other, password: other }, one.cookie)).status).toBe(422);
    expect((await form("/dashboard/me/password", { current: password, password: other }, one.cookie)).status).toBe(303);
    expect((await page("/dashboard/me", one.cookie)).status).toBe(200);
    expect((await page("/dashboard/me", second)).status).toBe(303);
    expect((await login({ email: one.email, password })).status).toBe(401);
    const { body } = await api("POST", `/api/people/${one.id}/link`);
    const reset = (await login({ token: tokenIn(body.url), password })).cookie ?? "";
    expect((await page("/dashboard/me", one.cookie)).status).toBe(303);
    expect((await page("/dashboard/me", reset)).status).toBe(200);
  });
});

describe("sessions", () => {
  test("are listed without what opens them, and ended by their person and by admins", async () => {
    const one = await joined("viewer");
    const second = (await login({ email: one.email, password })).cookie ?? "";
    const { body, text } = await api("GET", `/api/people/${one.id}/sessions`);
    expect(body.data).toHaveLength(2);
    expect(text).not.toContain(second.split("=")[1] ?? "");
    expect(text).not.toContain("digest");
    await form(`/dashboard/me/sessions/${body.data[0].id}/removal`, {}, one.cookie);
    expect((await page("/dashboard/me", second)).status).toBe(303);
    expect((await api("DELETE", `/api/people/${one.id}/sessions/${body.data[1].id}`)).status).toBe(200);
    expect((await page("/dashboard/me", one.cookie)).status).toBe(303);
    expect((await api("DELETE", `/api/people/${one.id}/sessions/${body.data[1].id}`)).status).toBe(404);
  });
});

describe("a new admin token", () => {
  test("ends the sessions that were opened with the old one, and nobody else's", async () => {
    const person = await joined("viewer");
    const operator = (await login({ token: gateway.adminToken })).cookie ?? "";
    expect((await page("/dashboard/me", operator)).status).toBe(200);
    const made = spawnSync(process.execPath, ["core/main.ts", "admin-token", "--new"], {
      cwd: join(import.meta.dir, "..", ".."),
      env: { ...gateway.environment, LLM_PROXY_ADMIN_TOKEN: undefined },
      encoding: "utf8",
    });
    expect([made.status, made.stderr]).toEqual([0, ""]);
    expect((await page("/dashboard/me", operator)).status).toBe(303);
    expect((await page("/dashboard/me", person.cookie)).status).toBe(200);
  });
});

describe("a second factor", () => {
  test("is asked for after the password, takes no code twice, and a recovery code once", async () => {
    const one = await joined("viewer");
    const token = await tokenOf(one.cookie);
    expect((await api("POST", "/api/me/totp", { password: other }, token)).status).toBe(400);
    const begun = (await api("POST", "/api/me/totp", { password }, token)).body;
    expect(begun.uri).toStartWith("otpauth://totp/");
    const app = new TOTP({ secret: Secret.fromBase32(begun.secret) });
    const { enrolment } = begun;
    expect((await api("POST", "/api/me/totp/confirmation", { enrolment, code: "000000" }, token)).status).toBe(400);
    const code = app.generate();
    const confirmed = await api("POST", "/api/me/totp/confirmation", { enrolment, code }, token);
    const codes: string[] = confirmed.body.recoveryCodes;
    expect(codes).toHaveLength(10);

    const ticket = async () => {
      const asked = await login({ email: one.email, password });
      expect([asked.status, asked.cookie]).toEqual([200, null]);
      return /name="ticket" value="([^"]+)"/.exec(asked.text)?.[1] ?? "";
    };
    const given = await ticket();
    expect((await login({ ticket: given, code })).status).toBe(401);
    expect((await login({ ticket: given, code: codes[0] ?? "" })).status).toBe(303);
    expect((await login({ ticket: await ticket(), code: codes[0] ?? "" })).status).toBe(401);
    // The app's next code is within what clocks may differ by.
    const next = app.generate({ timestamp: Date.now() + 30_000 });
    expect((await login({ ticket: await ticket(), code: next })).status).toBe(303);
    expect((await api("DELETE", `/api/people/${one.id}/totp`)).status).toBe(200);
    expect((await login({ email: one.email, password })).status).toBe(303);
  });
});

/** A token that its person makes in the dashboard. */
async function tokenOf(cookie: string): Promise<string> {
  const made = await form("/dashboard/me/tokens", { name: "ci" }, cookie);
  return /llmp_pat_\w+/.exec(made.text)?.[0] ?? "";
}
