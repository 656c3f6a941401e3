import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { aliasMap, attempts, providerLine, sumsOfAttempts } from "../views/hostile-lines.ts";
import { browserPath, patienceMs, signIn, type Visits, visitsOf } from "./browser.ts";
import { seed } from "./seed.ts";
import { noCredentials, site, startMs } from "./site.ts";

/** Pages in windows of every width. */

if (browserPath === null)
  console.log("skipped: 2 tests of windows of every width (no chromium here; CHROMIUM_PATH names one)");
else inBrowser(browserPath);

function inBrowser(path: string): void {
  const unpriced = [{ provider: "openai", model: "gpt-99-that-nobody-knows", asked: 1_234, lastMs: startMs }];
  const estimates = [
    { provider: "openai", model: "gpt-5", input: 4.2, output: 0.9, heldNano: 9_000_000, chargeNano: 1_000_000 },
  ];
  const long = "a-name-as-long-as-a-file-may-give-to-one-of-its-providers-or-so";
  const upstream = providerLine(long);
  const one = site({
    seed: { ...seed(), unpriced },
    estimates,
    credentials: { ...noCredentials, providers: () => [upstream] },
    traffic: () => new Map(upstream.traffic && [[long, upstream.traffic]]),
    attempts: {
      report: () => ({ stepMs: 60_000, ...attempts(long).report }),
      lastDay: () => new Map([[long, sumsOfAttempts]]),
    },
    aliasRoute: aliasMap,
  });
  const screenshots = process.env["SCREENSHOTS"] ?? mkdtempSync(join(tmpdir(), "llm-proxy-dashboard-"));
  let visits: Visits;
  beforeAll(async () => {
    visits = await visitsOf(one, path);
  }, patienceMs);
  afterAll(() => visits.stop());
  const open: Visits["open"] = (host, options) => visits.open(host, options);

  test(
    "every page fits a desk, a tablet and a phone, by day and by night",
    async () => {
      await one.database.credits.add({ accountId: "zoe", nano: 12_500_000_000, expiresMs: startMs, note: "invoice 7" });
      const { id: limitId } = await one.limits.create({
        scope: { kind: "account", id: "zoe" },
        requestsPerMinute: 1_000_000_000,
        tokensPerDay: 5_000_000,
        usdPerHour: "12.5",
        concurrency: 20,
      });
      const detail = one.database.rows.calls.find((call) => call.attempts.length > 1)?.callId ?? "";
      const pages = {
        login: "/dashboard/login",
        overview: "/dashboard",
        usage: "/dashboard/usage?by=key&and=model&compare=before",
        calls: "/dashboard/calls",
        call: `/dashboard/calls/${detail}`,
        explain: "/dashboard/explain",
        keys: "/dashboard/keys",
        accounts: "/dashboard/accounts",
        account: "/dashboard/accounts/zoe",
        budgets: "/dashboard/budgets",
        budget: `/dashboard/budgets/${one.database.rows.budgets[0]?.id ?? ""}`,
        limits: "/dashboard/limits",
        limit: `/dashboard/limits/${limitId}`,
        ledger: "/dashboard/ledger",
        prices: "/dashboard/prices?search=gpt-5",
        models: "/dashboard/prices/models?search=gpt-5",
        unpriced: "/dashboard/prices/unpriced",
        charges: "/dashboard/prices/charges",
        estimates: "/dashboard/prices/estimates",
        providers: "/dashboard/providers",
        provider: `/dashboard/providers/${long}`,
        alias: `/dashboard/models/${long}`,
        config: "/dashboard/config",
        plugins: "/dashboard/plugins",
        missing: "/dashboard/calls/none",
      };
      for (const dark of [false, true]) {
        const { page, complaints } = await open("localhost", { dark });
        for (const [name, address] of Object.entries(pages)) {
          if (name === "overview") await signIn(page);
          await page.goto(address);
          if (name === "keys") await page.getByText("New key").click();
          for (const form of await page.locator("details.new > summary").all()) await form.click();
          for (const width of [1920, 1280, 1024, 768, 390]) {
            await page.setViewportSize({ width, height: 860 });
            if (width === 1280 || width === 390 || process.env["SCREENSHOTS"] !== undefined)
              await page.screenshot({
                path: join(screenshots, `${name}-${width}-${dark ? "dark" : "light"}.png`),
                fullPage: true,
              });
            expect({
              name,
              width,
              over: await page.evaluate(() => document.documentElement.scrollWidth - innerWidth),
            }).toEqual({ name, width, over: 0 });
          }
        }
        expect(complaints.filter((complaint) => !complaint.includes("404"))).toEqual([]);
        await page.context().close();
      }
      console.log(`screenshots of the dashboard: ${screenshots}`);
    },
    2 * patienceMs,
  );

  test(
    "the pages are all at hand at any width, also beside a long name",
    async () => {
      const { page } = await open("localhost", { width: 1280 });
      await signIn(page);
      // On a phone they are a line that scrolls, and the current one is in it.
      await page.setViewportSize({ width: 390, height: 860 });
      await page.goto("/dashboard/config");
      const { left, right: end } = await page
        .locator(".top nav [aria-current]")
        .evaluate((current) => current.getBoundingClientRect().toJSON());
      expect([left >= 0, end <= 390]).toEqual([true, true]);
      await page
        .locator(".top .self")
        .evaluate((self) => (self.innerHTML = `<bdi class="name">${"W".repeat(24)}</bdi>`));
      for (const width of [1920, 1440, 1320, 1280, 1024, 768, 720]) {
        await page.setViewportSize({ width, height: 860 });
        const right = (selector: string) =>
          page
            .locator(selector)
            .last()
            .evaluate((element) => element.getBoundingClientRect().right);
        expect({ width, fits: (await right(".top nav a")) <= width && (await right(".top form")) <= width }).toEqual({
          width,
          fits: true,
        });
        const lines = await page
          .locator(".top nav a")
          .evaluateAll((links) => new Set(links.map((link) => link.getBoundingClientRect().top)).size);
        expect({ width, lines }).toEqual({ width, lines: width >= 1024 ? 1 : 2 });
      }
      await page.context().close();
    },
    patienceMs,
  );
}
