import { afterAll, beforeAll, expect, test } from "bun:test";
import type { Page } from "playwright-core";
import { browserPath, expectWhole, patienceMs, signIn, type Visits, visitsOf } from "./browser.ts";
import { callRow, seed } from "./seed.ts";
import { keyRow, site, startMs } from "./site.ts";

/** Amounts as large as a company's, with every digit: what was spent stays in sight on a desk, and in one piece. */

if (browserPath === null)
  console.log("skipped: 3 tests of large amounts in a browser (no chromium here; CHROMIUM_PATH names one)");
else inBrowser(browserPath);

function inBrowser(path: string): void {
  const key = keyRow("018f0000-0000-7000-8000-000000000009", "the key of a rather large department");
  const spent = { costNano: 8_800_034_123_456_789, chargeNano: 8_800_034_123_456_789 };
  const large = { limitNano: 8_999_999_123_456_789, spentNano: 4_345_678_123_456_789, heldNano: 1_234_567_123_456_789 };
  const small = { limitNano: 5_000_000_000, spentNano: 123_450_000, heldNano: 0 };
  const budgets = (seed().budgets ?? []).map((budget, n) => ({ ...budget, ...(n === 0 ? small : large) }));
  const one = site({
    seed: {
      ...seed(),
      keys: [key],
      budgets,
      calls: [callRow(0, { keyId: key.id, createdMs: startMs - 1000, ...spent })],
    },
  });
  let visits: Visits;
  let page: Page;
  beforeAll(async () => {
    visits = await visitsOf(one, path);
    ({ page } = await visits.open("localhost"));
    await signIn(page);
  }, patienceMs);
  afterAll(() => visits.stop());

  test(
    "no table hides any of it, on a desk or on a tablet on its side",
    async () => {
      const tables = { Models: "/dashboard", Keys: "/dashboard", Budgets: "/dashboard/budgets" };
      await expectWhole(page, tables, "large");
    },
    patienceMs,
  );

  test(
    "those of one column end at one place, and those of one row begin at one height",
    async () => {
      for (const width of [1920, 1280, 1024]) {
        await page.setViewportSize({ width, height: 860 });
        await page.goto("/dashboard/budgets");
        const places = await page.locator("table.amounts tbody .money").evaluateAll((amounts) =>
          amounts.map((amount) => {
            const range = document.createRange();
            if (amount.firstChild) range.selectNode(amount.firstChild);
            const { right, top } = range.getBoundingClientRect();
            return { right: Math.round(right), top: Math.round(top) };
          }),
        );
        const [rows, columns] = [budgets.length, 4];
        expect({ width, amounts: places.length }).toEqual({ width, amounts: rows * columns });
        expect({ width, ends: new Set(places.map(({ right }) => right)).size }).toEqual({ width, ends: columns });
        expect({ width, heights: new Set(places.map(({ top }) => top)).size }).toEqual({ width, heights: rows });
      }
    },
    patienceMs,
  );

  test(
    "only the digits below a cent may go to the next line",
    async () => {
      for (const width of [1920, 1280, 1024, 768, 390]) {
        await page.setViewportSize({ width, height: 860 });
        await page.goto("/dashboard");
        const lines = await page.locator(".tile .value .money").evaluate((amount) => {
          const range = document.createRange();
          if (amount.firstChild) range.selectNode(amount.firstChild);
          return range.getClientRects().length;
        });
        expect({ width, lines }).toEqual({ width, lines: 1 });
      }
    },
    patienceMs,
  );
}
