import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { invariants } from "../support/invariants.ts";
import {
  address,
  alertIn,
  expectRefused,
  groups,
  type LoginSetup,
  setUpLogin,
  verified,
} from "../support/login-browser.ts";
import { clientId, type LoginIssuer } from "../support/login-issuer.ts";
import { until } from "../support/poll.ts";
import { setUp } from "../support/setup.ts";

let signIns: LoginSetup;
let issuer: LoginIssuer;

beforeAll(async () => {
  signIns = await setUpLogin();
  ({ issuer } = signIns);
});
afterAll(async () => {
  await invariants(signIns.setup);
  await signIns.stop();
});
afterEach(() => signIns.reset());

describe("a sign-in through an issuer", () => {
  test("goes there by a button with PKCE, state and nonce, and comes back to the page that was asked for", async () => {
    const browser = signIns.browser();
    const page = await browser.get("/dashboard/login?next=%2Fdashboard%2Fcalls%3Fstatus%3Dok");
    expect(page.text).toContain("Sign in with Staff");
    const link = /href="(\/dashboard\/login\/oidc\/staff[^"]*)"/.exec(page.text)?.[1]?.replaceAll("&amp;", "&") ?? "";
    const gone = await browser.get(link);
    const to = new URL(gone.location).searchParams;
    expect(Object.fromEntries(to)).toMatchObject({
      client_id: clientId,
      response_type: "code",
      scope: "openid email profile",
      code_challenge_method: "S256",
    });
    expect(to.get("redirect_uri")).toEndWith("/dashboard/login/oidc/staff/callback");
    for (const name of ["state", "nonce", "code_challenge"]) expect(to.get(name)?.length).toBeGreaterThan(40);
    const [kept = ""] = gone.cookies;
    for (const flag of ["HttpOnly", "SameSite=Lax", "Max-Age=600", "Path=/"]) expect(kept).toContain(flag);
    for (const name of ["state", "nonce"]) expect(kept).not.toContain(to.get(name) ?? "-");

    const email = address();
    issuer.person = { sub: email, ...verified(email), ...groups("proxy-admins", "everybody") };
    const back = (await fetch(gone.location, { redirect: "manual" })).headers.get("location") ?? "";
    const done = await browser.get(back);
    expect([done.status, done.location]).toEqual([303, "/dashboard/calls?status=ok"]);
    expect([...browser.cookies.keys()].filter((name) => name.endsWith("sign-in"))).toEqual([]);
    expect((await browser.get("/dashboard/people")).status).toBe(200);
    expect(await signIns.personBy(email)).toMatchObject({
      role: "admin",
      accountId: null,
      name: "Grace",
      issuers: [issuer.url],
    });
  });

  test("finds its person again by subject, whatever became of the address", async () => {
    const email = address();
    issuer.person = { sub: email, ...verified(email), ...groups("everybody") };
    await signIns.browser().signIn();
    issuer.person = { sub: email, email: "new@elsewhere.example", email_verified: false, ...groups("proxy-admins") };
    expect((await signIns.browser().signIn()).status).toBe(303);
    expect(await signIns.personBy(email)).toMatchObject({ role: "admin" });
    expect(await signIns.personBy("new@elsewhere.example")).toBeUndefined();
  });

  test("links somebody who was invited by their verified address, and gives them what their groups say", async () => {
    const email = address();
    await signIns.api("POST", "/api/people", { email, name: "Invited", role: "admin" });
    issuer.person = { sub: email, ...verified(email.toUpperCase()), ...groups("team") };
    const browser = signIns.browser();
    expect((await browser.signIn()).status).toBe(303);
    const { body } = await signIns.api("GET", "/api/accounts");
    const accounts: { id: string; name: string }[] = body.data;
    const team = accounts.find(({ name }) => name === "team")?.id ?? "";
    expect(await signIns.personBy(email)).toMatchObject({ role: "viewer", accountId: team, name: "Invited" });
    expect((await browser.get("/dashboard/people")).status).toBe(403);
  });

  test("takes a role away that the issuer took, at the next sign-in, also in sessions that are open", async () => {
    const other = address();
    issuer.person = { sub: other, ...verified(other), ...groups("proxy-owners") };
    await signIns.browser().signIn();
    const email = address();
    issuer.person = { sub: email, ...verified(email), ...groups("proxy-owners") };
    const browser = signIns.browser();
    await browser.signIn();
    expect((await browser.get("/dashboard/prices")).status).toBe(200);
    issuer.person = { ...issuer.person, ...groups("everybody") };
    await signIns.browser().signIn();
    expect((await browser.get("/dashboard/prices")).status).toBe(403);
    issuer.person = { ...issuer.person, ...groups() };
    const last = signIns.browser();
    await expectRefused(last.signIn(), last, /None of your groups has a role here/);
    expect((await browser.get("/dashboard/me")).status).toBe(303);
    expect(await signIns.personBy(email)).toMatchObject({ role: "member" });
  });

  test("asks the userinfo for what the token does not say, and takes address and its check from one place", async () => {
    const email = address();
    issuer.person = { sub: email };
    const info = { sub: email, ...verified(email), ...groups("everybody") };
    issuer.userinfo = info;
    // The discovery document is known without it until the process starts anew.
    await signIns.gateway.restart();
    expect((await signIns.browser().signIn()).status).toBe(303);
    const unchecked = address();
    issuer.person = { sub: unchecked, email: unchecked };
    issuer.userinfo = { ...info, sub: unchecked, email: unchecked };
    const browser = signIns.browser();
    await expectRefused(browser.signIn(), browser, /does not say that your e-mail address is verified/);
    issuer.userinfo = { ...info, sub: "somebody else" };
    issuer.person = { sub: unchecked };
    await expectRefused(browser.signIn(), browser, /does not hold/);
    issuer.userinfo = null;
    await signIns.gateway.restart();
  });

  test("is written down like any other, and so is what it changed and what was refused", async () => {
    const email = address();
    issuer.person = { sub: email, ...verified(email), ...groups("everybody") };
    await signIns.browser().signIn();
    const browser = signIns.browser();
    issuer.person = { sub: address(), ...groups() };
    await browser.signIn();
    const { body } = await signIns.api("GET", "/api/audit?limit=200");
    const person = await signIns.personBy(email);
    const entries: { action: string; objectId: string | null }[] = body.data;
    const actions = entries.filter(({ objectId }) => objectId === person?.id).map(({ action }) => action);
    expect(actions.toSorted()).toEqual(["person.create", "person.login"]);
    expect(entries.map(({ action }) => action)).toContain("session.open");
    expect(entries.map(({ action }) => action)).toContain("login.fail");
    expect(JSON.stringify(body)).not.toContain("access-token");
  });
});

test("the last owner stays, whatever an issuer says, and the log tells", async () => {
  const alone = await setUpLogin();
  try {
    const email = address();
    const { body } = await alone.api("POST", "/api/people", { email, name: "First", role: "owner" });
    const token = new URL(body.link.url).searchParams.get("token") ?? "";
    const chosen = new URLSearchParams({ token, password: "correct horse battery" });
    await fetch(`${alone.gateway.url}/dashboard/login`, { method: "POST", redirect: "manual", body: chosen });
    alone.other.person = { sub: email, ...verified(email) };
    const guest = alone.browser();
    await expectRefused(guest.signIn("guests"), guest, /belongs to the last owner here, and the issuer gives you less/);
    expect(await alone.personBy(email)).toMatchObject({ id: body.id, role: "owner", issuers: [] });

    alone.issuer.person = { sub: email, ...verified(email), ...groups("proxy-owners") };
    expect((await alone.browser().signIn()).status).toBe(303);
    alone.issuer.person = { ...alone.issuer.person, ...groups("team") };
    const browser = alone.browser();
    expect((await browser.signIn()).status).toBe(303);
    expect((await browser.get("/dashboard/prices")).status).toBe(200);
    expect(await alone.personBy(email)).toMatchObject({ role: "owner", accountId: null });
    alone.issuer.person = { ...alone.issuer.person, ...groups() };
    const last = alone.browser();
    await expectRefused(last.signIn(), last, /None of your groups has a role here/);
    expect((await browser.get("/dashboard/prices")).status).toBe(303);
    expect(await alone.personBy(email)).toMatchObject({ role: "owner", accountId: null });

    await until("the warnings", () => alone.gateway.log().split("the role of the last owner").length > 2);
    const log = await alone.api("GET", "/api/audit?action=person.keep");
    expect(log.body.data).toHaveLength(2);
    await invariants(alone.setup);
  } finally {
    await alone.stop();
  }
});

describe("an issuer that is down", () => {
  test.each<readonly [string, () => Response | Promise<Response>]>([
    ["answers 500", () => new Response("no", { status: 500 })],
    ["leads elsewhere", () => Response.redirect("http://127.0.0.1:1/")],
    [
      "answers without end",
      () => new Response("{".repeat(2_000_000), { headers: { "content-type": "application/json" } }),
    ],
  ])("and %s says so; tokens and others go on", async (_, answer) => {
    await signIns.gateway.restart();
    issuer.answer = answer;
    const browser = signIns.browser();
    const page = await browser.get("/dashboard/login/oidc/staff");
    expect([page.status, alertIn(page.text)]).toEqual([503, expect.stringContaining("cannot be reached right now")]);
    expect(page.text).toContain("Use the admin token");
    const signedIn = await fetch(`${signIns.gateway.url}/dashboard/login`, {
      method: "POST",
      redirect: "manual",
      body: new URLSearchParams({ token: signIns.gateway.adminToken }),
    });
    expect(signedIn.status).toBe(303);
    issuer.answer = null;
    expect((await browser.get("/dashboard/login/oidc/staff")).status).toBe(303);
  });

  test("between the way there and the way back", async () => {
    const browser = signIns.browser();
    const back = await browser.begin();
    issuer.answer = (path) => (path === "/token" ? new Response("no", { status: 502 }) : null);
    const page = await browser.get(back);
    expect(page.status).toBe(503);
    expect(browser.session).toBeUndefined();
  });

  test("asks for discovery and keys once for many sign-ins", async () => {
    await signIns.gateway.restart();
    issuer.asked.length = 0;
    for (let n = 0; n < 3; n += 1) {
      const email = address();
      issuer.person = { sub: email, ...verified(email), ...groups("everybody") };
      expect((await signIns.browser().signIn()).status).toBe(303);
    }
    for (const path of ["/.well-known/openid-configuration", "/keys"])
      expect(issuer.asked.filter((one) => one === path)).toEqual([path]);
  });
});

test("without passwords only issuers and the admin token sign in, and nothing offers one", async () => {
  const closed = await setUp({
    config: [
      "server:",
      "  login:",
      "    passwords: false",
      "    oidc:",
      `      staff: { issuer: "${issuer.url}", clientId: ${clientId}, roles: [{ group: a, role: viewer }] }`,
    ].join("\n"),
  });
  try {
    const at = closed.gateway.url;
    const page = await (await fetch(`${at}/dashboard/login`)).text();
    expect(page).toContain("Sign in with staff");
    expect(page).not.toContain('name="password"');
    const authorization = `Bearer ${closed.gateway.adminToken}`;
    const invited = await fetch(`${at}/api/people`, {
      method: "POST",
      headers: { authorization, "content-type": "application/json" },
      body: JSON.stringify({ email: "a@example.com", name: "A", role: "viewer" }),
    });
    const body = await invited.json();
    expect([invited.status, body.link]).toEqual([201, null]);
    const login = (fields: Record<string, string>) =>
      fetch(`${at}/dashboard/login`, { method: "POST", redirect: "manual", body: new URLSearchParams(fields) });
    expect((await login({ email: "a@example.com", password: "correct horse battery" })).status).toBe(401);
    const link = await fetch(`${at}/api/people/${body.id}/link`, { method: "POST", headers: { authorization } });
    expect(link.status).toBe(409);
    await until("the first link", () => closed.gateway.log().includes("token="));
    const first = /login\?token=([\w-]+)/.exec(closed.gateway.log())?.[1] ?? "";
    const own = { token: first, email: "b@example.com", password: "correct horse battery" };
    expect((await login(own)).status).toBe(422);
    expect((await login({ token: first })).status).toBe(303);
    expect((await login({ token: closed.gateway.adminToken })).status).toBe(303);
  } finally {
    await closed.stop();
  }
});
