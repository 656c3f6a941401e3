import { afterAll, beforeAll, expect, test } from "bun:test";
import type { Browser, Page } from "playwright-core";
import { type Gateway, startGateway } from "../support/process.ts";
import { api, join, type Signed } from "../support/visits.ts";
import { browserPath, launch, patienceMs } from "./browser.ts";

/** A form that is refused: the field that is wrong is marked, said to be wrong for what, in sight, and has the keyboard. */

if (browserPath === null)
  console.log("skipped: 7 tests of wrong fields in a browser (no chromium here; CHROMIUM_PATH names one)");
else inBrowser(browserPath);

interface Wrong {
  /** Where the form is; a path of the API: the page of what is made there. */
  readonly at: string;
  readonly made?: object;
  /** Begins what the form is folded under. */
  readonly folded?: string;
  readonly typed: Readonly<Record<string, string>>;
  readonly button: string;
  /** How the label of the wrong field begins. */
  readonly label: string;
  readonly words: string;
}

function inBrowser(path: string): void {
  let gateway: Gateway;
  let browser: Browser;
  let owner: Signed;
  let page: Page;
  beforeAll(async () => {
    gateway = await startGateway();
    owner = await join(gateway, "owner");
    browser = await launch(path);
    page = await browser.newPage({ baseURL: gateway.url });
    await page.goto("/dashboard/login");
    await page.getByLabel("E-mail").fill(owner.email);
    await page.getByLabel("Password").fill("correct horse battery");
    await page.getByRole("button", { name: "Sign in", exact: true }).click();
    await page.getByRole("heading", { name: "Overview" }).waitFor();
  }, patienceMs);
  afterAll(async () => {
    await browser.close();
    await gateway.dispose();
  });

  const scope = { kind: "account", id: "default" };
  const budget = { at: "budgets", made: { scope, usd: 5, window: "day" } };
  const account = { at: "accounts", made: { name: "first" } };
  const rows: readonly Wrong[] = [
    {
      ...budget,
      typed: { "Limit in USD": "x" },
      button: "Save",
      label: "Limit in USD",
      words: "Limit in USD: expected an amount in USD above 0 with at most 9 decimals",
    },
    {
      ...budget,
      typed: { "USD on top of the limit": "1" },
      button: "Raise",
      label: "Through",
      words: "Through: a date as 2030-12-31.",
    },
    {
      at: "limits",
      made: { scope, requestsPerMinute: 5 },
      typed: { "5 requests a minute": "1.5" },
      button: "Save",
      label: "5 requests a minute",
      words: "Requests a minute: a whole number from 1; only USD may be a decimal.",
    },
    {
      ...account,
      folded: "Rename, move",
      typed: { Name: " " },
      button: "Save",
      label: "Name",
      words: "Name: expected text, not an empty string",
    },
    {
      ...account,
      folded: "Change what",
      typed: { Models: '"a' },
      button: "Save",
      label: "Models",
      words: 'Models: with commas between; one with a comma or space in quotes, as "a, b".',
    },
    {
      at: "/dashboard/keys",
      folded: "New key",
      typed: { Name: "k", "Requests a minute": "0" },
      button: "Create key",
      label: "Requests a minute",
      words: "Requests a minute: a whole number from 1, or nothing.",
    },
    {
      at: "/dashboard/me",
      folded: "Change the password",
      typed: { "Current password": "not this one", "New password": "correct horse battery" },
      button: "Change",
      label: "Current password",
      words: "Current password: not your password",
    },
  ];

  test.each(rows.map((row) => [`${row.at}: ${row.label}`, row] as const))(
    "%s",
    async (_, { at, made, folded, typed, button, label, words }) => {
      const pageOfMade = async () => `/dashboard/${at}/${(await api(gateway, "POST", `/api/${at}`, made)).body.id}`;
      await page.goto(made ? await pageOfMade() : at);
      if (folded !== undefined) await page.getByText(folded).click();
      const [first = ""] = Object.keys(typed);
      const form = page.locator("form").filter({ has: page.getByLabel(first, { exact: true }) });
      for (const [field, text] of Object.entries(typed)) await form.getByLabel(field, { exact: true }).fill(text);
      await form.getByRole("button", { name: button, exact: true }).click();
      const wrong = page.locator('[aria-invalid="true"]');
      await wrong.waitFor({ state: "visible" });
      expect(
        await wrong.evaluate((field: HTMLInputElement) => ({
          label: field.labels?.[0]?.firstChild?.textContent,
          words: document.getElementById(field.getAttribute("aria-describedby") ?? "")?.textContent,
          isBeside: field.form?.querySelector("[role=alert]") !== null,
          isActive: field === document.activeElement,
        })),
      ).toEqual({ label: expect.stringContaining(label), words, isBeside: true, isActive: true });
    },
    patienceMs,
  );
}
