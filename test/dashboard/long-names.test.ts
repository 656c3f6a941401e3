import { afterAll, beforeAll, expect, test } from "bun:test";
import type { Page } from "playwright-core";
import { browserPath, expectWhole, patienceMs, signIn, type Visits, visitsOf } from "./browser.ts";
import { callRow } from "./seed.ts";
import { keyRow, site, startMs } from "./site.ts";

/** Names as long as names get: what matters stays in sight on a desk, and the rest is at hand. */

if (browserPath === null)
  console.log("skipped: 3 tests of long names in a browser (no chromium here; CHROMIUM_PATH names one)");
else inBrowser(browserPath);

function inBrowser(path: string): void {
  const long = "a-name-as-long-as-a-file-may-give-to-one-of-its-providers-or-so";
  const key = keyRow("018f0000-0000-7000-8000-000000000009", `${long} and the team that it is of, in words`, {
    models: [`${long}/one-model`, `${long}/another-model`],
    limits: { requestsPerMinute: 100_000, tokensPerMinute: 20_000_000, concurrency: 400 },
    accountId: "long",
    expiresMs: startMs + 40 * 86_400_000,
    lastUsedMs: startMs,
  });
  const one = site({
    seed: {
      accounts: [{ id: "long", parentId: null, name: `account ${long}`, createdMs: 0 }],
      keys: [key],
      calls: [
        callRow(3, {
          model: `${long}/the-${long}`,
          provider: long,
          upstreamModel: `the-${long}`,
          keyId: key.id,
          status: "upstream_error",
          inputTokens: 1_234_567,
          outputTokens: 123_456,
        }),
      ],
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

  const tables = {
    Calls: "/dashboard/calls",
    Keys: "/dashboard/keys",
    Usage: "/dashboard/usage?by=key&and=model&compare=before",
    Prices: "/dashboard/prices?search=gpt-5",
  };

  test(
    "nothing is out of sight on a desk, nor on a tablet on its side",
    async () => {
      await expectWhole(page, tables, "long");
    },
    patienceMs,
  );

  test(
    "a heading keeps to its line where there is room, and to its page where there is none",
    async () => {
      const boxes = async (width: number) => {
        await page.setViewportSize({ width, height: 860 });
        await page.goto(`/dashboard/keys/${key.id}`);
        const boxOf = (selector: string) =>
          page.locator(selector).evaluate((element) => element.getBoundingClientRect().toJSON());
        return { name: await boxOf(".heading .name"), chip: await boxOf(".heading .chip") };
      };
      const desk = await boxes(1280);
      expect(desk.name.height).toBeLessThan(40);
      expect(desk.chip.left - desk.name.right).toBeLessThan(20);
      const phone = await boxes(390);
      expect(phone.name.right).toBeLessThanOrEqual(390);
    },
    patienceMs,
  );

  test(
    "where a table scrolls, the keyboard scrolls it",
    async () => {
      await page.setViewportSize({ width: 768, height: 860 });
      for (const [label, address] of Object.entries(tables)) {
        await page.goto(address);
        const box = page.getByRole("region", { name: label, exact: true });
        await box.focus();
        await page.keyboard.press("ArrowRight");
        await page.waitForFunction(
          (name) => (document.querySelector(`.scroll[aria-label="${name}"]`)?.scrollLeft ?? 0) > 0,
          label,
        );
      }
    },
    patienceMs,
  );
}
