import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { invariants } from "../support/invariants.ts";
import { hmacToken, makeIssuerKey, tokenOf, unsigned } from "../support/issuer.ts";
import {
  address,
  alertIn,
  expectRefused,
  groups,
  type LoginSetup,
  setUpLogin,
  verified,
} from "../support/login-browser.ts";
import { clientId, clientSecret, type LoginIssuer } from "../support/login-issuer.ts";

let signIns: LoginSetup;
let issuer: LoginIssuer;
let other: LoginIssuer;

beforeAll(async () => {
  signIns = await setUpLogin();
  ({ issuer, other } = signIns);
});
afterAll(async () => {
  await invariants(signIns.setup);
  await signIns.stop();
});
afterEach(() => signIns.reset());

describe("an admin of an account", () => {
  test("who invited somebody's address first holds nothing of them once they signed in", async () => {
    const attacker = await accountAdmin();
    const email = address();
    const { body } = await attacker("POST", "/api/people", { email, name: "New", role: "member" });
    const planted = await takeOver(body.link.url);
    expect(await planted.role()).toBe("member");

    await signInAsOwner(email);
    expect(await planted.role()).toBeNull();
    expect((await planted.page("/dashboard/me")).status).toBe(303);
    expect((await signInBy(email)).status).not.toBe(303);
    for (const id of [body.id, (await signIns.personBy(email))?.id]) {
      expect((await attacker("POST", `/api/people/${id}/link`)).status).toBe(404);
      expect((await attacker("PATCH", `/api/people/${id}`, { email: address() })).status).toBe(404);
    }
    const log = await signIns.api("GET", `/api/audit?objectId=${body.id}&limit=200`);
    const entries: { action: string; before: object | null }[] = log.body.data;
    expect(entries.find(({ action }) => action === "person.remove")?.before).toMatchObject({
      hasPassword: true,
      sessionsEnded: 1,
      tokensEnded: 1,
    });
  });

  test("who gave somebody of theirs the address of another holds nothing of the other", async () => {
    const attacker = await accountAdmin();
    const own = { email: address(), name: "Own", role: "admin" };
    const { body } = await attacker("POST", "/api/people", own);
    const planted = await takeOver(body.link.url);
    const email = address();
    expect((await attacker("PATCH", `/api/people/${body.id}`, { email })).status).toBe(200);
    await signInAsOwner(email);
    expect(await planted.role()).toBeNull();
    expect((await planted.page("/dashboard/me")).status).toBe(303);
    expect((await signInBy(email)).status).not.toBe(303);
  });

  test("who set a password of somebody linked loses it when the issuer raises them", async () => {
    const attacker = await accountAdmin();
    const email = address();
    issuer.person = { sub: email, ...verified(email), ...groups("team") };
    await signIns.browser().signIn();
    const linked = await signIns.personBy(email);
    const { body } = await attacker("POST", `/api/people/${linked?.id}/link`);
    const planted = await takeOver(body.url);
    expect(await planted.role()).toBe("viewer");
    await signInAsOwner(email);
    expect(await planted.role()).toBeNull();
    expect((await signInBy(email)).status).not.toBe(303);
  });

  test("who signs in with a planted password at that very moment gets no session of the owner", async () => {
    const attacker = await accountAdmin();
    const email = address();
    const { body } = await attacker("POST", "/api/people", { email, name: "New", role: "member" });
    await takeOver(body.link.url);
    const browser = signIns.browser();
    issuer.person = { sub: email, ...verified(email), ...groups("proxy-owners") };
    const back = await browser.begin();
    const [done, ...tries] = await Promise.all([
      browser.get(back),
      ...Array.from({ length: 8 }, () => signInBy(email)),
    ]);
    expect([done.status, (await browser.get("/dashboard/prices")).status]).toEqual([303, 200]);
    for (const tried of tries) expect((await tried.page("/dashboard/me")).status).toBe(303);
  });

  const password = "a planted password";
  async function accountAdmin() {
    const { body: accounts } = await signIns.api("GET", "/api/accounts");
    const all: readonly { id: string; name: string }[] = accounts.data;
    const accountId = all.find(({ name }) => name === "team")?.id;
    const service = { kind: "service", name: "admin of team", role: "admin", accountId };
    const { body } = await signIns.api("POST", "/api/people", service);
    const made = await signIns.api("POST", `/api/people/${body.id}/tokens`, { name: "t" });
    return (method: string, path: string, sent?: object) => signIns.api(method, path, sent, made.body.token);
  }
  async function signInAsOwner(email: string) {
    issuer.person = { sub: email, ...verified(email), ...groups("proxy-owners") };
    const browser = signIns.browser();
    expect((await browser.signIn()).status).toBe(303);
    expect((await browser.get("/dashboard/prices")).status).toBe(200);
    expect(await signIns.personBy(email)).toMatchObject({ role: "owner", accountId: null, issuers: [issuer.url] });
  }
  async function form(path: string, fields: Record<string, string>, cookie = "") {
    const { url } = signIns.gateway;
    const body = new URLSearchParams(fields);
    const headers = { cookie, origin: url, "x-forwarded-for": signIns.browser().address };
    const response = await fetch(url + path, { method: "POST", redirect: "manual", headers, body });
    const session = response.headers.getSetCookie()[0]?.split(";")[0] ?? "";
    const page = (at: string) => fetch(url + at, { redirect: "manual", headers: { cookie: session } });
    return { status: response.status, text: await response.text(), session, page };
  }
  const signInBy = (email: string) => form("/dashboard/login", { email, password });
  /** By the link of an invitation or a reset: a password, a session and an API token. */
  async function takeOver(link: string) {
    const token = new URL(link).searchParams.get("token") ?? "";
    const { session, page } = await form("/dashboard/login", { token, password });
    const csrf = /name="csrf" value="([^"]+)"/.exec(await (await page("/dashboard/me")).text())?.[1] ?? "";
    const { text } = await form("/dashboard/me/tokens", { csrf, name: "planted" }, session);
    const planted = /llmp_pat_[0-9A-Za-z]{49}/.exec(text)?.[0] ?? "";
    expect(planted).not.toBe("");
    const role = async (): Promise<string | null> => {
      const { status, body } = await signIns.api("GET", "/api/me", undefined, planted);
      return status === 200 ? body.role : null;
    };
    return { page, role };
  }
});

describe("refused is", () => {
  const mapped = () => {
    const email = address();
    return { sub: email, ...verified(email), ...groups("proxy-owners") };
  };

  test("a callback in a browser that began nothing, and one with another state", async () => {
    issuer.person = mapped();
    const begun = await signIns.browser().begin();
    const victim = signIns.browser();
    const before = issuer.exchanges.length;
    await expectRefused(victim.get(begun), victim, /begun in another browser/);
    await victim.begin();
    await expectRefused(victim.get(begun), victim, /begun in another browser/);
    // The code was not even sent anywhere.
    expect(issuer.exchanges.length).toBe(before);
  });

  test("a way back that was gone before, also with the cookie of then", async () => {
    issuer.person = mapped();
    const browser = signIns.browser();
    const back = await browser.begin();
    const cookies = [...browser.cookies];
    expect((await browser.get(back)).status).toBe(303);
    const again = signIns.browser();
    for (const [name, value] of cookies) again.cookies.set(name, value);
    const before = issuer.exchanges.length;
    await expectRefused(again.get(back), again, /was used before/);
    expect(issuer.exchanges.length).toBe(before);
  });

  test("a code that the issuer gave before", async () => {
    issuer.person = mapped();
    const first = signIns.browser();
    const code = new URL(await first.begin());
    await first.get(code.href);
    const browser = signIns.browser();
    const back = new URL(await browser.begin());
    back.searchParams.set("code", code.searchParams.get("code") ?? "");
    await expectRefused(browser.get(back.href), browser, /does not hold/);
  });

  test("a code that another browser was given, whose verifier nobody else has", async () => {
    issuer.person = mapped();
    const attacker = new URL(await signIns.browser().begin());
    const browser = signIns.browser();
    const back = new URL(await browser.begin());
    back.searchParams.set("code", attacker.searchParams.get("code") ?? "");
    await expectRefused(browser.get(back.href), browser, /does not hold/);
  });

  test("an answer of another issuer, by its address and by `iss`", async () => {
    issuer.person = mapped();
    other.person = mapped();
    const browser = signIns.browser();
    const back = new URL(await browser.begin());
    const elsewhere = back.pathname.replace("staff", "guests") + back.search;
    await expectRefused(browser.get(elsewhere), browser, /Begin again/);
    for (const extra of [{ iss: other.url }, { iss: "" }]) {
      issuer.extra = extra;
      await expectRefused(browser.signIn(), browser, /does not hold/);
    }
    const bare = new URL(await browser.begin());
    bare.searchParams.delete("iss");
    await expectRefused(browser.get(bare.href), browser, /does not hold/);
  });

  const now = () => Math.floor(Date.now() / 1_000);
  test.each<readonly [string, () => Record<string, unknown>]>([
    ["another nonce", () => ({ nonce: "another" })],
    ["no nonce", () => ({ nonce: undefined })],
    ["another issuer", () => ({ iss: other.url })],
    ["another audience", () => ({ aud: "another" })],
    ["several audiences and another party", () => ({ aud: [clientId, "another"], azp: "another" })],
    ["an end that is past the tolerance", () => ({ exp: now() - 60 })],
    ["no end", () => ({ exp: undefined })],
    ["a start that is to come", () => ({ nbf: now() + 600 })],
    ["no subject", () => ({ sub: undefined })],
  ])("an ID token with %s", async (_, changed) => {
    issuer.person = { ...mapped(), ...changed() };
    const browser = signIns.browser();
    await expectRefused(browser.signIn(), browser, /does not hold/);
  });

  test("an ID token that the issuer's keys did not sign", async () => {
    const stranger = await makeIssuerKey("login");
    const { kid, jwk } = issuer.key;
    const forged: readonly LoginIssuer["idToken"][] = [
      (claims) => unsigned(claims, { alg: "none" }),
      (claims) => unsigned(claims, { alg: "RS256", kid }),
      (claims) => tokenOf(stranger, claims, { alg: "RS256", kid }),
      (claims) => tokenOf(stranger, claims, { alg: "RS256", kid: "unknown" }),
      (claims) => hmacToken(JSON.stringify(jwk), claims, { alg: "HS256", kid }),
      (claims) => hmacToken(clientSecret, claims, { alg: "HS256" }),
      (claims) => tokenOf(issuer.key, claims, { alg: "RS256", kid, crit: ["x"] }),
      () => "not a token",
    ];
    for (const idToken of forged) {
      Object.assign(issuer, { person: mapped(), idToken });
      const browser = signIns.browser();
      await expectRefused(browser.signIn(), browser, /does not hold/);
    }
  });

  test.each([
    { email_verified: false },
    { email_verified: undefined },
    { email_verified: "yes" },
    { email: undefined },
  ])("an address that the issuer does not vouch for: %p", async (changed) => {
    const { body } = await signIns.api("GET", "/api/people?limit=200");
    issuer.person = { ...mapped(), ...changed };
    const browser = signIns.browser();
    await expectRefused(browser.signIn(), browser, /does not say that your e-mail address is verified/);
    expect((await signIns.api("GET", "/api/people?limit=200")).body.data.length).toBe(body.data.length);
  });

  test("another subject with the address of somebody who is linked already", async () => {
    const person = mapped();
    issuer.person = person;
    await signIns.browser().signIn();
    issuer.person = { ...person, sub: "another" };
    const browser = signIns.browser();
    await expectRefused(browser.signIn(), browser, /somebody whom the issuer knows as another/);
  });

  test.each([
    ["no group", {}],
    ["a group like one", groups("Proxy-Owners", "proxy-owners ", "proxy")],
    ["groups elsewhere", { roles: ["proxy-owners"], groups: ["proxy-owners"], role: "owner" }],
    ["groups that are no texts", { realm_access: { roles: [["proxy-owners"], { 0: "proxy-owners" }] } }],
  ])("whoever has %s", async (_, more) => {
    issuer.person = { ...mapped(), realm_access: undefined, ...more };
    const browser = signIns.browser();
    await expectRefused(browser.signIn(), browser, /None of your groups/);
  });

  test("a group whose account does not exist: it does not become everything", async () => {
    issuer.person = { ...mapped(), ...groups("lost") };
    const browser = signIns.browser();
    await expectRefused(browser.signIn(), browser, /account that is not found/);
  });

  test("whoever is of another domain, or was not invited where nobody new may come", async () => {
    const browser = signIns.browser();
    for (const email of ["eve@evil.example", "eve@example.com.evil.example", "eve@notexample.com"]) {
      other.person = { sub: email, ...verified(email) };
      await expectRefused(browser.signIn("guests"), browser, /of none of the domains/);
    }
    const email = address();
    other.person = { sub: email, ...verified(email) };
    await expectRefused(browser.signIn("guests"), browser, /Nobody was invited/);
    await signIns.api("POST", "/api/people", { email, name: "Guest", role: "owner" });
    expect((await browser.signIn("guests")).status).toBe(303);
    expect(await signIns.personBy(email)).toMatchObject({ role: "member" });
  });

  test("a way on to another site, and a beginning from one", async () => {
    for (const next of ["//evil.example", "https://evil.example/dashboard", "/\\evil.example", "/dashboard/login"]) {
      issuer.person = mapped();
      const { location } = await signIns.browser().signIn("staff", `?next=${encodeURIComponent(next)}`);
      expect(location).toBe("/dashboard");
    }
    const browser = signIns.browser();
    const gone = await browser.get("/dashboard/login/oidc/staff", { "sec-fetch-site": "cross-site" });
    expect([gone.location, browser.cookies.size]).toEqual(["/dashboard/login", 0]);
    expect((await browser.get("/dashboard/login/oidc/nobody")).status).toBe(404);
    expect((await browser.get("/dashboard/login/oidc/nobody/callback?code=1&state=2")).status).toBe(404);
  });

  test("a thirty-first try within a minute of one address, or of a network of IPv6, which says how long to wait", async () => {
    const browser = signIns.browser();
    const attempt = (n: number) =>
      browser.get("/dashboard/login/oidc/staff/callback?state=x", { "x-forwarded-for": `${browser.address}:${n}` });
    for (let n = 0; n < 30; n += 1) expect((await attempt(n)).status).toBe(401);
    const answer = await attempt(30);
    expect([answer.status, alertIn(answer.text)]).toEqual([429, expect.stringMatching(/Try again in \d+ seconds/)]);
    const begun = await browser.get("/dashboard/login/oidc/staff", { "x-forwarded-for": `${browser.address}:31` });
    expect(begun.status).toBe(429);
  });

  test("what the issuer refuses, in its own word and no other text", async () => {
    const browser = signIns.browser();
    const back = new URL(await browser.begin());
    back.searchParams.delete("code");
    back.searchParams.set("error", "access_denied");
    back.searchParams.set("error_description", "<script>call us at 555</script>");
    const answer = await browser.get(back.href);
    expect([answer.status, alertIn(answer.text)]).toEqual([401, "The issuer did not sign you in: access_denied."]);
    expect(answer.text).not.toContain("555");
  });
});
