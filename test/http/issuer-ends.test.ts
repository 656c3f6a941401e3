import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { invariants } from "../support/invariants.ts";
import { address, alertIn, groups, type LoginSetup, setUpLogin, verified } from "../support/login-browser.ts";
import { clientId, type LoginIssuer } from "../support/login-issuer.ts";

/** How what an issuer gave ends: the session there, and the link to it. */
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

async function signedIn(role = "everybody", name = "staff") {
  const email = address();
  if (name === "guests") await signIns.api("POST", "/api/people", { email, name: "Guest", role: "member" });
  Object.assign(name === "staff" ? issuer : signIns.other, {
    person: { sub: email, ...verified(email), ...groups(role) },
  });
  const browser = signIns.browser();
  expect((await browser.signIn(name)).status).toBe(303);
  return { browser, email, id: (await signIns.personBy(email))?.id ?? "" };
}

describe("signing out", () => {
  test("ends the session here first, then sends the browser to the issuer with the token it gave", async () => {
    const { browser } = await signedIn();
    const cookie = browser.cookies.get("__Host-llmp") ?? "";
    const out = await browser.post("/dashboard/logout");
    expect(out.status).toBe(200);
    const to = new URL(/^0; url=(.*)$/.exec(out.headers.get("refresh") ?? "")?.[1] ?? "");
    expect(to.origin + to.pathname).toBe(`${issuer.url}/end`);
    const { id_token_hint: hint = "", ...rest } = Object.fromEntries(to.searchParams);
    expect(rest).toEqual({
      client_id: clientId,
      post_logout_redirect_uri: expect.stringMatching(/^http:.*\/dashboard\/login$/),
    });
    expect(hint.split(".")).toHaveLength(3);
    expect(out.text).toContain("Sign out at Staff");
    expect(out.headers.getSetCookie().map((line) => line.replace(/;.*Max-Age=0.*/, ""))).toEqual([
      "__Host-llmp=",
      "__Host-llmp-sign-out=",
    ]);
    browser.cookies.set("__Host-llmp", cookie);
    expect((await browser.get("/dashboard/me")).status).toBe(303);
  });

  test("says nothing of an issuer that has no such place, of another session's sign-in, or where it was made up", async () => {
    const guest = await signedIn("everybody", "guests");
    const [one, two] = [await signedIn(), await signedIn()];
    one.browser.cookies.set("__Host-llmp-sign-out", two.browser.cookies.get("__Host-llmp-sign-out") ?? "");
    two.browser.cookies.set("__Host-llmp-sign-out", "made-up");
    for (const { browser } of [guest, one, two]) {
      const out = await browser.post("/dashboard/logout");
      expect([out.status, out.headers.get("location"), out.headers.get("refresh")]).toEqual([
        303,
        "/dashboard/login",
        null,
      ]);
    }
  });

  test("keeps no token that would not fit into a cookie", async () => {
    const email = address();
    issuer.person = { sub: email, ...verified(email), ...groups("everybody"), more: "x".repeat(4_000) };
    const browser = signIns.browser();
    await browser.signIn();
    expect(browser.cookies.get("__Host-llmp-sign-out")?.length).toBeLessThan(200);
    const { searchParams } = new URL(
      (await browser.post("/dashboard/logout")).headers.get("refresh")?.replace("0; url=", "") ?? "",
    );
    expect([searchParams.has("id_token_hint"), searchParams.get("client_id")]).toEqual([false, clientId]);
  });
});

describe("unlinking", () => {
  test("by who manages people ends the sessions, and hands out a link where nothing else is left", async () => {
    const { browser, email, id } = await signedIn();
    const path = `/api/people/${id}/issuer-removal`;
    expect((await signIns.api("POST", path, { issuer: "https://elsewhere.example" })).status).toBe(404);
    const { status, body } = await signIns.api("POST", path, { issuer: issuer.url });
    expect([status, body.issuers, body.id]).toEqual([200, [], id]);
    expect(body.link.url).toContain("/dashboard/login?token=");
    expect((await browser.get("/dashboard/me")).status).toBe(303);
    expect((await signIns.api("POST", path, { issuer: issuer.url })).status).toBe(404);
    // At the next sign-in it is a first link again.
    expect((await signIns.browser().signIn()).status).toBe(303);
    expect(await signIns.personBy(email)).toMatchObject({ issuers: [issuer.url] });
  });

  test("by oneself is refused for the last way in, and on the page keeps the session it is done in", async () => {
    const { browser, email, id } = await signedIn();
    expect((await browser.get("/dashboard/me")).text).toContain("Signs in through");
    const refused = await browser.post("/dashboard/me/issuer-removal", { issuer: issuer.url });
    expect([refused.status, alertIn(refused.text)]).toEqual([422, expect.stringContaining("nothing would be left")]);
    const { body } = await signIns.api("POST", `/api/people/${id}/link`);
    await browser.get("/dashboard/login");
    const token = new URL(body.url).searchParams.get("token") ?? "";
    expect(
      (await signIns.browser().post("/dashboard/login", { token, password: "correct horse battery" })).status,
    ).toBe(303);
    const again = signIns.browser();
    await again.signIn();
    expect((await again.post("/dashboard/me/issuer-removal", { issuer: issuer.url })).status).toBe(303);
    expect((await again.get("/dashboard/me")).status).toBe(200);
    expect(await signIns.personBy(email)).toMatchObject({ issuers: [] });
  });

  test("the last owner's last way in stays", async () => {
    const { id } = await signedIn("proxy-owners");
    const { status, body } = await signIns.api("POST", `/api/people/${id}/issuer-removal`, { issuer: issuer.url });
    expect([status, body.error.message]).toEqual([409, expect.stringContaining("the last owner has to stay")]);
    expect((await signIns.api("GET", `/api/people/${id}`)).body.issuers).toEqual([issuer.url]);
  });
});
