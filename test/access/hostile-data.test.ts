import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { SignJWT } from "jose";
import { browserPath, complaintsOf, launch } from "../dashboard/browser.ts";
import { call, chat } from "../support/clients.ts";
import { invariants } from "../support/invariants.ts";
import { canaries, outline } from "../support/markup.ts";
import { answers, completion } from "../support/openai-answers.ts";
import { until } from "../support/poll.ts";
import { WebhookReceiver } from "../support/receiver.ts";
import { json } from "../support/scripts.ts";
import { type Setup, setUp } from "../support/setup.ts";
import { api, crawl, join, operatorSession, page, send, type Signed } from "../support/visits.ts";

/**
 * Texts that would be markup, script or behaviour wherever they are not escaped, through every door that text from outside
 * can come in, and then every page and part that links lead to (061, 062, 074).
 */
const issuer = "https://login.example.com";
const secret = "a-shared-secret-canary-of-these-tests-0123456789";
let setup: Setup;
let receiver: WebhookReceiver;
let owner: Signed;
let operator: Pick<Signed, "cookie" | "csrf">;
let found: Awaited<ReturnType<typeof crawl>>;

beforeAll(async () => {
  receiver = await WebhookReceiver.start();
  setup = await setUp({
    providers: `  unpriced: { use: openai-compatible, baseUrl: "http://127.0.0.1:1/v1", apiKey: none }`,
    config: `auth:
  api-key: {}
  staff: { use: jwt, issuer: "${issuer}", audience: us, secret: "${secret}" }
observer:
  ops: { use: webhook, url: "${receiver.url}/%22%3E%3Csvg%2Fonload=c()%3E", secret: "${secret}", events: [budget.threshold, "usage.call"] }
models:
  ${JSON.stringify(`"><svg/onload=c()>`)}: [mock/fine]
`,
  });
  setup.gateway.secrets.add(secret);
  operator = await operatorSession(setup.gateway);
  owner = await join(setup.gateway, "owner");
  for (const [at, text] of canaries.entries()) await through(text, at);
  await until("what was said is kept", () => count("call_contents") >= 8);
  found = await crawl(setup.gateway, operator.cookie, { most: 160 });
}, 120_000);
afterAll(async () => {
  await setup.stop();
  await receiver.stop();
});

const count = (table: string) => setup.gateway.sql<{ n: number }>(`select count(*) as n from ${table}`)[0]?.n ?? 0;

describe("whatever texts hold", () => {
  test("they reach the pages as text: all there is was seen", () => {
    const whole = [...found.pages.values()].join("\n");
    expect(found.pages.size).toBeGreaterThan(80);
    for (const text of canaries.filter((each) => !each.includes("\u0000")))
      expect([text, whole.split(escaped(text)).length > 10]).toEqual([text, true]);
    const kinds = new Set([...found.pages.keys()].map((path) => path.replace(/[?/](?=[^/]*[-%=]).*$/, "")));
    for (const section of [
      "",
      "/usage",
      "/calls",
      "/keys",
      "/accounts",
      "/budgets",
      "/limits",
      "/prices",
      "/ledger",
      "/alerts",
      "/people",
      "/me",
    ])
      expect([...kinds]).toContain(`/dashboard${section}`);
  });

  test("no page and no part of one has an element, an attribute or a behaviour from them", async () => {
    const wrong: string[] = [];
    for (const [path, text] of found.pages) wrong.push(...(await faultsOf(path, text)));
    for (const path of found.pages.keys())
      for (const headers of [{ "hx-request": "true" }, { "hx-request": "true", "hx-request-type": "partial" }]) {
        const answer = await page(setup.gateway, path, operator.cookie, headers);
        wrong.push(...(await faultsOf(`${path} for htmx`, answer.text)));
        for (const name of ["hx-redirect", "hx-location", "hx-push-url", "hx-trigger"])
          if (answer.headers.has(name)) wrong.push(`${path}: ${name}: ${answer.headers.get(name)}`);
      }
    expect(wrong).toEqual([]);
  }, 60_000);

  test("nor has one that says back what it was asked: paths, queries, forms", async () => {
    const wrong: string[] = [];
    const filters = [
      "q",
      "model",
      "key",
      "account",
      "search",
      "status",
      "after",
      "next",
      "token",
      "provider",
      "source",
      "from",
      "by",
      "under",
    ];
    const pages = [
      "usage",
      "calls",
      "keys",
      "accounts",
      "budgets",
      "limits",
      "prices",
      "prices/unpriced",
      "ledger",
      "alerts",
      "people",
      "login",
      "me",
    ];
    for (const text of canaries) {
      const value = encodeURIComponent(text.toWellFormed());
      for (const path of [`/dashboard/${value}`, `/dashboard/calls/${value}`, `/dashboard/keys/${value}`, `/${value}`])
        for (const headers of [{}, { "hx-request": "true" }])
          wrong.push(...(await faultsOf(path, (await page(setup.gateway, path, operator.cookie, headers)).text)));
      for (const where of pages) {
        const path = `/dashboard/${where}?${filters.map((name) => `${name}=${value}`).join("&")}`;
        for (const cookie of [operator.cookie, ""])
          wrong.push(...(await faultsOf(path, (await page(setup.gateway, path, cookie)).text)));
      }
      for (const action of found.actions) {
        if (/logout|removal|revocation|\/me\//.test(action) || Number(action.length) > 40) continue;
        const fields = new URLSearchParams({ csrf: operator.csrf });
        for (const name of [
          "name",
          "usd",
          "model",
          "scope",
          "email",
          "target",
          "accountId",
          "note",
          "input",
          "expires",
        ])
          fields.set(name, text);
        const headers = { cookie: operator.cookie, origin: setup.gateway.url };
        wrong.push(
          ...(await faultsOf(action, (await send(setup.gateway, "POST", action, { headers, body: fields })).text)),
        );
      }
    }
    expect(wrong).toEqual([]);
  }, 60_000);

  test("answers and errors of the API repeat them as JSON alone", async () => {
    for (const text of canaries) {
      const value = encodeURIComponent(text.toWellFormed());
      for (const path of [`/v1/models/${value}`, `/api/keys/${value}`, `/v1beta/models/${value}:x`, `/v1/${value}`]) {
        const answer = await api(setup.gateway, "GET", path);
        expect(answer.headers.get("content-type") ?? "").toStartWith("application/json");
        expect(answer.headers.get("x-content-type-options")).toBe("nosniff");
        expect(answer.headers.get("content-security-policy")).toBe("default-src 'none'; sandbox");
      }
    }
  });

  if (browserPath === null) console.log("skipped: 1 sweep of all pages in a browser (no chromium here)");
  else
    test("a browser that opens every page runs nothing of theirs, and complains of nothing", async () => {
      const browser = await launch(browserPath ?? "");
      try {
        const context = await browser.newContext();
        const [name = "", value = ""] = operator.cookie.split("=");
        const { hostname } = new URL(setup.gateway.url);
        await context.addCookies([
          { name, value, domain: hostname, path: "/", secure: name.startsWith("__Host-"), httpOnly: true },
        ]);
        const tab = await context.newPage();
        const events: string[] = [];
        await tab.exposeFunction("c", () => void events.push(`c() ran on ${tab.url()}`));
        tab.on("dialog", (dialog) => {
          events.push(`a dialog on ${tab.url()}`);
          void dialog.dismiss();
        });
        const complaints = complaintsOf(tab);
        // Some of each kind of page: the lists hold every text.
        const kinds = Map.groupBy(
          found.pages.keys(),
          (path) => path.split("?")[0]?.split("/").slice(2, 3).join() ?? "",
        );
        const paths = [...kinds.values()].flatMap((all) => [...all.slice(0, 2), ...all.slice(-1)]);
        for (const path of paths) {
          const answer = await tab.goto(setup.gateway.url + path, { waitUntil: "load" });
          expect([path, answer?.status()]).toEqual([path, 200]);
        }
        expect(events).toEqual([]);
        expect(complaints).toEqual([]);
        expect(paths.length).toBeGreaterThan(20);
      } finally {
        await browser.close();
      }
    }, 120_000);

  test("and the books are in order", () => invariants(setup));
});

/** What would not be there if all text were text. */
async function faultsOf(path: string, markup: string): Promise<readonly string[]> {
  const { elements, behaviour, links, sources } = await outline(markup);
  return [
    ...elements.filter((each) => / on\w+/.test(each) || /^(?:img|svg onload|iframe|object|embed|b|base)\b/.test(each)),
    ...elements.filter((each) => /\bstyle\b/.test(each)),
    ...elements.filter((each) => each.startsWith("script ") && each !== "script defer src"),
    ...elements.filter((each) => each === "script"),
    ...behaviour.filter(
      (each) => /^hx-(?:get|post|delete|trigger)=/.test(each) && /admin|[<>]|js:|javascript:/.test(each),
    ),
    ...links.filter((link) => !/^\/(?:dashboard|api|$)/.test(link)),
    ...sources.filter((source) => !/^\/dashboard\/assets\/[\w.-]+$/.test(source)),
    ...canaries.filter((text) => /[<"]/.test(text) && markup.includes(text)),
  ].map((fault) => `${path}: ${fault}`);
}

const escaped = (text: string): string =>
  text
    .toWellFormed()
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replaceAll('"', "&quot;")
    .replaceAll("'", "&#39;");

/** The text through every door. Some doors refuse some texts: what counts is what got in. */
async function through(text: string, at: number): Promise<void> {
  const { gateway, upstream } = setup;
  const post = (path: string, body: object) => api(gateway, "POST", path, body);
  const account = (await post("/api/accounts", { name: text })).body?.id ?? "default";
  const made = await post("/api/keys", {
    name: text,
    accountId: account,
    models: ["mock/*", "unpriced/*", "echo", text],
    metadata: { canary: text },
    content: "on",
  });
  const key = made.body?.key ?? setup.key.key;
  gateway.secrets.add(key);
  for (const kind of ["model", "provider"] as const) {
    await post("/api/budgets", { scope: { kind, id: text }, usd: 1, window: "day" });
    await post("/api/limits", { scope: { kind, id: text }, requestsPerDay: 1_000 });
  }
  await post("/api/budgets", { scope: { kind: "account", id: account }, usd: "0.1", window: "day", thresholds: [1] });
  await post("/api/limits", { scope: { kind: "account", id: account }, requestsPerDay: 1_000 });
  await post("/api/ledger/credits", { accountId: account, usd: 5, note: text });
  await post("/api/prices", { target: `mock/${text}`, input: 1, output: 2 });
  await post("/api/people", { email: `hostile${at}@example.com`, name: text, role: "viewer", accountId: account });
  const service = await post("/api/people", { kind: "service", name: text, role: "viewer" });
  if (service.body?.id) await post(`/api/people/${service.body.id}/tokens`, { name: text });
  await api(gateway, "POST", "/api/me/tokens", { name: text }, owner.token);
  await form(`hostile${at}`, text);

  upstream.on("fine", answers({ text, finish: text, promptTokens: 40, completionTokens: 900 }));
  upstream.on(text, (exchange) => {
    const id = (exchange.upstreamId = `up-${text.slice(0, 40)}-${at}`);
    return json(200, completion(id, { text, finish: text }), { "x-request-id": headerOf(text) })(exchange);
  });
  upstream.on("failing", json(400, { error: { message: text, type: text, code: text, param: text } }));
  const said = {
    messages: [{ role: "user", content: text }],
    max_completion_tokens: 900,
    user: text,
    metadata: { [text]: text },
    tools: [{ type: "function", function: { name: text, description: text, parameters: {} } }],
  };
  const headers = { "user-agent": headerOf(text), "x-request-id": headerOf(text) };
  for (const model of ["mock/fine", `mock/${text}`, "mock/failing", text, `unpriced/${text}`])
    await call(gateway, key, chat(model, said), { headers });
  const file = { type: "file", file: { filename: text, file_data: "data:application/pdf;base64,AA==" } };
  await call(gateway, key, chat("echo", { messages: [{ role: "user", content: [{ type: "text", text }, file] }] }));
  const sub = await new SignJWT({ name: text })
    .setProtectedHeader({ alg: "HS256" })
    .setSubject(text)
    .setIssuer(issuer)
    .setAudience("us")
    .setExpirationTime("5m")
    .sign(new TextEncoder().encode(secret));
  await call(gateway, sub, chat("mock/fine"), { headers });
}

/** A failed sign-in and a session with the text in the name of its browser. */
async function form(email: string, text: string): Promise<void> {
  const headers = { origin: setup.gateway.url, "user-agent": headerOf(text) };
  await send(setup.gateway, "POST", "/dashboard/login", {
    headers,
    body: new URLSearchParams({ token: setup.gateway.adminToken }),
  });
  if (email === "hostile0")
    await send(setup.gateway, "POST", "/dashboard/login", {
      headers,
      body: new URLSearchParams({ email: text, password: text }),
    });
}

/** What a header can carry of it. */
const headerOf = (text: string): string => text.replace(/[^\x20-\x7e]/g, "?");
