import { randomInt } from "node:crypto";
import { expect } from "bun:test";
import { clientId, clientSecret, type LoginIssuer, startLoginIssuer } from "./login-issuer.ts";
import { setUp } from "./setup.ts";

interface Listed {
  readonly id: string;
  readonly email: string;
  readonly role: string;
  readonly accountId: string | null;
  readonly issuers: readonly string[];
}

/** The product with two issuers that people sign in with: `staff` with groups, and `guests` of one domain. */
export async function setUpLogin() {
  const issuer = await startLoginIssuer();
  const other = await startLoginIssuer();
  issuer.endSession = `${issuer.url}/end`;
  const entry = (name: string, { url }: LoginIssuer, more: string) => [
    `      ${name}:`,
    `        issuer: ${url}`,
    `        clientId: ${clientId}`,
    `        clientSecret: ${clientSecret}`,
    more,
  ];
  const config = [
    "server:",
    "  trustedProxies: [127.0.0.1]",
    "  login:",
    "    oidc:",
    ...entry(
      "staff",
      issuer,
      `        label: Staff
        claims: { groups: realm_access.roles }
        roles:
          - { group: proxy-owners, role: owner }
          - { group: proxy-admins, role: admin }
          - { group: team, role: viewer, account: team }
          - { group: lost, role: viewer, account: nowhere }
          - { group: everybody, role: member }`,
    ),
    ...entry(
      "guests",
      other,
      `        domains: [Example.com]
        createPeople: false
        roles: [{ role: member }]`,
    ),
  ].join("\n");
  const setup = await setUp({ config });
  const { gateway } = setup;
  gateway.secrets.add(clientSecret);
  const api = async (method: string, path: string, body?: object, token = gateway.adminToken) => {
    const response = await fetch(gateway.url + path, {
      method,
      headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
      ...(body && { body: JSON.stringify(body) }),
    });
    return { status: response.status, body: await response.json() };
  };
  await api("POST", "/api/accounts", { name: "team" });
  return {
    setup,
    gateway,
    issuer,
    other,
    browser: () => new Browser(gateway.url),
    api,
    async personBy(email: string): Promise<Listed | undefined> {
      const { body } = await api("GET", "/api/people?limit=200");
      const all: readonly Listed[] = body.data;
      return all.find((person) => person.email === email);
    },
    /** The issuers as they were at the start. */
    reset() {
      for (const one of [issuer, other])
        Object.assign(one, { person: {}, answer: null, idToken: null, extra: {}, userinfo: null });
    },
    async stop() {
      await setup.stop();
      await Promise.all([issuer.stop(), other.stop()]);
    },
  };
}

export type LoginSetup = Awaited<ReturnType<typeof setUpLogin>>;

/** What a browser does: it keeps cookies, and follows where it is sent one step at a time. */
export class Browser {
  readonly cookies = new Map<string, string>();
  /** Of its own: tries are counted by it. */
  readonly address = `2001:db8:${randomInt(65_536).toString(16)}:${randomInt(65_536).toString(16)}::1`;
  readonly #url: string;
  constructor(url: string) {
    this.#url = url;
  }
  async get(path: string, headers: Readonly<Record<string, string>> = {}) {
    const cookie = [...this.cookies].map(([name, value]) => `${name}=${value}`).join("; ");
    const url = new URL(path, this.#url);
    const response = await fetch(this.#url + url.pathname + url.search, {
      redirect: "manual",
      headers: { cookie, "x-forwarded-for": this.address, ...headers },
    });
    for (const line of response.headers.getSetCookie()) {
      const [, name = "", value = ""] = /^([^=]+)=([^;]*)/.exec(line) ?? [];
      if (value === "") this.cookies.delete(name);
      else this.cookies.set(name, value);
    }
    return {
      status: response.status,
      location: response.headers.get("location") ?? "",
      text: await response.text(),
      cookies: response.headers.getSetCookie(),
    };
  }
  /** To the issuer, who sends back to this address. */
  async begin(name = "staff", query = ""): Promise<string> {
    const { location, status, text } = await this.get(`/dashboard/login/oidc/${name}${query}`);
    if (status !== 303) throw new Error(`${status}: ${text}`);
    return (await fetch(location, { redirect: "manual" })).headers.get("location") ?? "";
  }
  async signIn(name = "staff", query = "") {
    return this.get(await this.begin(name, query));
  }
  /** A form of a page, which has the session's token in it. */
  async post(path: string, fields: Readonly<Record<string, string>> = {}) {
    const csrf = /name="csrf" value="([^"]+)"/.exec((await this.get("/dashboard/me")).text)?.[1] ?? "";
    const cookie = [...this.cookies].map(([name, value]) => `${name}=${value}`).join("; ");
    const response = await fetch(this.#url + path, {
      method: "POST",
      redirect: "manual",
      headers: { cookie, origin: this.#url, "x-forwarded-for": this.address },
      body: new URLSearchParams({ csrf, ...fields }),
    });
    const { status, headers } = response;
    return { status, headers, text: await response.text() };
  }
  get session(): string | undefined {
    return this.cookies.get("__Host-llmp") ?? this.cookies.get("llmp");
  }
}

export const verified = (email: string) => ({ email, email_verified: true, name: "Grace" });
export const groups = (...roles: string[]) => ({ realm_access: { roles } });
export const address = () => `${crypto.randomUUID()}@example.com`;
export const alertIn = (text: string) => /role="alert">([^<]*)/.exec(text)?.[1] ?? "";

/** What must be true of a sign-in that was refused. */
export async function expectRefused(attempt: ReturnType<Browser["get"]>, browser: Browser, why: RegExp, status = 401) {
  const answer = await attempt;
  expect([answer.status, alertIn(answer.text)]).toEqual([status, expect.stringMatching(why)]);
  expect(browser.session).toBeUndefined();
}
