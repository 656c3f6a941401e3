import { afterAll, beforeAll, expect, test } from "bun:test";
import type { Browser } from "playwright-core";
import { type Gateway, startGateway } from "../support/process.ts";
import { api, crawl, join, type Signed } from "../support/visits.ts";
import { browserPath, launch, signInWithToken } from "./browser.ts";

/** What ends something, by one click, asks before. */
let gateway: Gateway;
let owner: Signed;
beforeAll(async () => {
  gateway = await startGateway({
    config: 'provider:\n  echo: {}\n  up: { use: openai-compatible, baseUrl: "http://127.0.0.1:9" }\n',
  });
  owner = await join(gateway, "owner");
}, 30_000);
afterAll(() => gateway.dispose());

const make = async (path: string, body: object): Promise<string> => {
  const { status, text, body: made } = await api(gateway, "POST", path, body);
  if (status >= 300) throw new Error(`${path}: ${text}`);
  return made.id;
};

test("every button that ends something has a question", async () => {
  const later = Date.UTC(2099, 0, 1);
  const accountId = await make("/api/accounts", { name: "Team" });
  const keyId = await make("/api/keys", { name: "a key" });
  await make("/api/budgets", { scope: { kind: "account", id: accountId }, usd: "5", window: "month" });
  await make("/api/limits", { scope: { kind: "account", id: accountId }, requestsPerMinute: 9 });
  await make("/api/prices", { target: "up/x", input: "1", output: "2", effectiveFrom: later });
  await make("/api/prices/charges", { target: "up/x", margin: "1", effectiveFrom: later });
  await make("/api/prices/charges", { target: "up/y", margin: "1" });
  await make("/api/providers/up/credentials", { name: "stored", apiKey: "sk-stored-0123456789" });
  const serviceId = await make("/api/people", { kind: "service", name: "ci", role: "viewer" });
  await make(`/api/people/${serviceId}/tokens`, { name: "a token" });
  const from = ["/dashboard", `/dashboard/keys/${keyId}`, "/dashboard/prices?source=database"];
  const { pages } = await crawl(gateway, owner.cookie, { from, most: 60 });
  const forms = [...pages.values()].flatMap((text) => text.match(/<form method="post"[^]*?<\/form>/g) ?? []);
  const ending = forms.filter((form) => /<button class="plain\s+danger"/.test(form));
  const questions = ending.map((form) => /data-confirm="([^"?]+\?)/.exec(form)?.[1] ?? form);
  expect([...new Set(questions)].toSorted()).toEqual([
    "Disable this account?",
    "Disable this key?",
    "End this session?",
    "Remove this account?",
    "Remove this budget?",
    "Remove this key?",
    "Remove this limit?",
    "Remove this person?",
    "Remove this service?",
    "Revoke this key?",
    "Revoke this token?",
    "Take these terms back?",
    "Take this price back?",
    "Withdraw these terms?",
  ]);
});

if (browserPath === null)
  console.log("skipped: a test of questions in a browser (no chromium here; CHROMIUM_PATH names one)");
else inBrowser(browserPath);

function inBrowser(path: string): void {
  let browser: Browser;
  beforeAll(async () => {
    browser = await launch(path);
  }, 90_000);
  afterAll(() => browser.close());

  test("no is no, and yes is yes", async () => {
    const isDisabled = async () => (await api(gateway, "GET", "/api/accounts/default")).body.disabled;
    const page = await browser.newPage({ baseURL: gateway.url });
    await signInWithToken(page, gateway.adminToken);
    await page.goto("/dashboard/accounts/default");
    await page.getByText("Rename, move, content, disable").click();
    const disable = page.getByRole("button", { name: "Disable this account" });
    let question = "";
    page.once("dialog", (dialog) => void ((question = dialog.message()), dialog.dismiss()));
    await disable.click();
    expect(question).toStartWith("Disable this account?");
    expect(await disable.isEnabled()).toBe(true);
    expect(await isDisabled()).toBe(false);
    page.once("dialog", (dialog) => void dialog.accept());
    await disable.click();
    await page.getByText("This account is disabled").waitFor();
    expect(await isDisabled()).toBe(true);
    await page.context().close();
  }, 90_000);
}
