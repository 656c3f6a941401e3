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
    await expectRefused(browser.signIn(), browser, /account that does not exist/);
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

  test("a thirty-first try of one address within a minute, which says how long to wait", async () => {
    const browser = signIns.browser();
    for (let n = 0; n < 30; n += 1)
      expect((await browser.get("/dashboard/login/oidc/staff/callback?state=x")).status).toBe(401);
    const answer = await browser.get("/dashboard/login/oidc/staff/callback?state=x");
    expect([answer.status, alertIn(answer.text)]).toEqual([429, expect.stringMatching(/Try again in \d+ seconds/)]);
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
