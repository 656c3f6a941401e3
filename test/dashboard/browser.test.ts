import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Page } from "playwright-core";
import { browserPath, lanAddress, patienceMs, signIn, type Visits, visitsOf } from "./browser.ts";
import { callRow, seed } from "./seed.ts";
import { newSecret, site, startMs } from "./site.ts";

if (browserPath === null)
  console.log("skipped: 9 tests of the dashboard in a browser (no chromium here; CHROMIUM_PATH names one)");
else inBrowser(browserPath);

function inBrowser(path: string): void {
  const one = site({ seed: seed() });
  const screenshots = process.env["SCREENSHOTS"] ?? mkdtempSync(join(tmpdir(), "llm-proxy-dashboard-"));
  let visits: Visits;
  beforeAll(async () => {
    visits = await visitsOf(one, path);
  }, patienceMs);
  afterAll(() => visits.stop());
  const open: Visits["open"] = (host, options) => visits.open(host, options);

  /** The clock of a page under the test's control, so that nobody waits for a refresh. */
  const nextRefresh = (page: Page): Promise<void> => page.clock.fastForward(5000);
  test(
    "a link signs in by its button, and the overview has its figures",
    async () => {
      const { page, complaints } = await open("localhost");
      await page.goto("/dashboard/login?token=link-1");
      await page.getByRole("button", { name: "Sign in" }).click();
      await page.getByRole("heading", { name: "Overview" }).waitFor();
      expect(await page.getByRole("img", { name: "Spend per day" }).locator("g.bar").count()).toBe(30);
      expect(
        (await page.context().cookies()).map(({ name, secure, httpOnly, sameSite }) => ({
          name,
          secure,
          httpOnly,
          sameSite,
        })),
      ).toEqual([{ name: "__Host-llmp", secure: true, httpOnly: true, sameSite: "Lax" }]);
      await page.getByText("Figures").first().click();
      expect(await page.getByRole("row", { name: /^23 Nov \$/ }).count()).toBe(1);
      expect(complaints).toEqual([]);
      await page.context().close();
    },
    patienceMs,
  );

  test(
    "calls are filtered in place, refresh by themselves with their filter, and open",
    async () => {
      const { page, complaints } = await open("localhost");
      await page.clock.install();
      await signIn(page);
      await page.getByRole("link", { name: "Calls", exact: true }).click();
      const rows = page.locator("#calls tbody tr");
      expect(await rows.count()).toBe(50);
      await page.getByLabel("Status").selectOption("upstream_error");
      await page.waitForFunction(() => document.querySelectorAll("#calls .chip.good").length === 0);
      expect(page.url()).toContain("status=upstream_error");
      const before = await rows.count();

      await page.getByLabel("Model").pressSequentially("half a na");
      one.database.rows.calls.push(
        callRow(5000, { status: "upstream_error", createdMs: startMs, callId: "fresh" }),
        callRow(5001, { createdMs: startMs, callId: "fresh-but-ok" }),
      );
      await nextRefresh(page);
      await page.locator("#call-fresh").waitFor();
      expect([await rows.count(), await page.locator("#call-fresh-but-ok").count()]).toEqual([before + 1, 0]);
      expect(await page.getByLabel("Model").inputValue()).toBe("half a na");

      await page.reload();
      expect(await page.getByLabel("Status").inputValue()).toBe("upstream_error");
      await page.locator("#call-fresh a").click();
      await page.getByRole("heading", { name: "What answered" }).waitFor();
      expect(complaints).toEqual([]);
      await page.context().close();
    },
    patienceMs,
  );

  test(
    "a key is made, its secret shown once, and revoked after a question",
    async () => {
      const { page, complaints } = await open("localhost");
      await signIn(page);
      await page.getByRole("link", { name: "Keys", exact: true }).click();
      await page.getByText("New key").click();
      await page.getByLabel("Name").fill("<b>made in a browser");
      await page.getByLabel("Budget in USD").fill("0");
      await page.getByRole("button", { name: "Create key" }).click();
      await page.getByRole("alert").getByText("A budget must be above 0").waitFor();
      expect(await page.getByLabel("Name").inputValue()).toBe("<b>made in a browser");
      await page.getByLabel("Budget in USD").fill("2.50");
      await page.getByRole("button", { name: "Create key" }).click();
      expect(await page.locator("#secret").textContent()).toBe(newSecret);
      await page.getByRole("button", { name: "Copy" }).click();
      await page.getByRole("button", { name: /Copied|Selected/ }).waitFor();
      await page.screenshot({ path: join(screenshots, "key-created.png") });

      await page.reload();
      expect(await page.content()).not.toContain(newSecret);
      const row = page.getByRole("row", { name: "<b>made in a browser" });
      let question = "";
      page.once("dialog", (dialog) => void ((question = dialog.message()), dialog.dismiss()));
      await row.getByRole("button", { name: "Revoke" }).click();
      expect(question).toContain("Revoke this key?");
      expect(await row.getByText("active").count()).toBe(1);
      page.once("dialog", (dialog) => void dialog.accept());
      await row.getByRole("button", { name: "Revoke" }).click();
      await row.getByText("revoked").waitFor();
      expect(one.database.rows.keys.filter((key) => key.revokedMs !== null).map((key) => key.name)).toContain(
        "<b>made in a browser",
      );
      // The refused form is an error status, which a browser notes in its console.
      expect(complaints.filter((complaint) => !complaint.includes("422"))).toEqual([]);
      await page.context().close();
    },
    patienceMs,
  );

  test(
    "signing out ends the session, and an open page goes to the login",
    async () => {
      const { page, complaints } = await open("localhost");
      await page.clock.install();
      await signIn(page);
      await page.goto("/dashboard/calls");
      const other = await page.context().newPage();
      await other.goto("/dashboard");
      await other.getByRole("button", { name: "Sign out" }).click();
      await other.getByLabel("Admin token").waitFor();
      expect(await page.context().cookies()).toEqual([]);
      await nextRefresh(page);
      await page.waitForURL(/\/dashboard\/login$/);
      expect(complaints.filter((complaint) => !complaint.includes("401"))).toEqual([]);
      await page.context().close();
    },
    patienceMs,
  );

  test(
    "a refresh that finds no proxy says so, and the next one takes it back",
    async () => {
      const { page } = await open("localhost");
      await page.clock.install();
      await signIn(page);
      await page.goto("/dashboard/calls");
      await page.context().setOffline(true);
      await nextRefresh(page);
      await page.getByText("No connection to the proxy").waitFor();
      expect(await page.locator("#calls tbody tr").count()).toBe(50);
      await page.context().setOffline(false);
      await nextRefresh(page);
      await page.getByText("No connection to the proxy").waitFor({ state: "detached" });
      await page.context().close();
    },
    patienceMs,
  );

  test(
    "everything works without JavaScript",
    async () => {
      const { page } = await open("localhost", { script: false });
      await signIn(page);
      await page.getByRole("link", { name: "Calls", exact: true }).click();
      await page.getByLabel("Status").selectOption("refused");
      await page.getByRole("button", { name: "Filter" }).click();
      expect(await page.locator("#calls .chip.good").count()).toBe(0);
      await page.getByRole("link", { name: "Keys", exact: true }).click();
      await page.getByText("New key").click();
      await page.getByLabel("Name").fill("without script");
      await page.getByRole("button", { name: "Create key" }).click();
      expect(await page.locator("#secret").textContent()).toBe(newSecret);
      const row = page.getByRole("row", { name: "without script" });
      await row.getByRole("button", { name: "Revoke" }).click();
      expect(await row.getByText("revoked").count()).toBe(1);
      await page.getByRole("button", { name: "Sign out" }).click();
      await page.getByLabel("Admin token").waitFor();
      await page.context().close();
    },
    patienceMs,
  );

  test(
    "a price is set and taken back, with script and without",
    async () => {
      for (const script of [true, false]) {
        const { page, complaints } = await open("localhost", { script });
        await signIn(page);
        await page.getByRole("link", { name: "Prices" }).click();
        await page.getByText("New price").click();
        await page.getByLabel("Target").fill("openai/gpt-5");
        await page.getByLabel("Input", { exact: true }).fill("1.5");
        await page.getByLabel("Output", { exact: true }).fill("12");
        await page.getByText("Calls, searches, images, seconds, characters").click();
        await page.getByLabel("USD per image").fill("0.04");
        await page.getByLabel("Most images a call").fill("4");
        await page.getByLabel("In effect from (UTC)").fill("2099-01-01T12:00");
        await page.getByRole("button", { name: "Set price" }).click();
        const row = page.getByRole("row", { name: "set here" });
        await row.waitFor();
        expect(await row.innerText()).toContain("later");
        expect(await row.innerText()).toContain("0.04 per image");
        page.once("dialog", (dialog) => void dialog.accept());
        await row.getByRole("button", { name: "Take back" }).click();
        await page.getByRole("row", { name: "lab/*" }).waitFor();
        expect(await page.getByRole("row", { name: "set here" }).count()).toBe(0);
        expect(complaints.filter((complaint) => !complaint.includes("422"))).toEqual([]);
        await page.context().close();
      }
    },
    patienceMs,
  );

  test(
    "by keyboard the focus goes on where something is told, and from a row that changed in that row",
    async () => {
      const { page } = await open("localhost");
      await signIn(page);
      const focused = (selector: string) =>
        page.waitForFunction((wanted) => document.activeElement?.matches(wanted) === true, selector);
      await page.goto("/dashboard/keys");
      await page.getByText("New key").press("Enter");
      await page.getByLabel("Name").fill("by keyboard");
      await page.getByLabel("Budget in USD").fill("0");
      await page.getByLabel("Budget in USD").press("Enter");
      await focused("#keys .error");
      await page.keyboard.press("Tab");
      await focused("input[name=name]");
      await page.getByLabel("Budget in USD").fill("1");
      await page.getByRole("button", { name: "Create key" }).press("Enter");
      await focused("#keys .secret");
      page.once("dialog", (dialog) => void dialog.accept());
      const row = page.getByRole("row", { name: "by keyboard" });
      await row.getByRole("button", { name: "Revoke" }).press("Enter");
      await row.getByText("revoked").waitFor();
      expect(await row.getByRole("link", { name: "by keyboard" }).evaluate((link) => link.matches(":focus"))).toBe(
        true,
      );

      await page.goto("/dashboard/prices");
      await page.getByText("New price").press("Enter");
      await page.getByLabel("Target").fill("no slash");
      await page.getByLabel("Target").press("Enter");
      await focused("#prices [name=target][aria-invalid]");
      await page.getByLabel("Target").fill("lab/keyboard");
      await page.getByLabel("Input", { exact: true }).fill("1");
      await page.getByLabel("Output", { exact: true }).fill("2");
      await page.getByLabel("Target").press("Enter");
      await focused("#new-price summary");
      await page.context().close();
    },
    patienceMs,
  );

  test(
    "terms of charges are set, withdrawn and taken back, with and without JavaScript",
    async () => {
      for (const script of [true, false]) {
        const { page, complaints } = await open("localhost", { script });
        await signIn(page);
        await page.goto("/dashboard/prices/charges");
        await page.getByText("New terms").click();
        await page.getByLabel("Target").fill(`lab/${script}`);
        await page.getByLabel("Margin in %").fill("20");
        await page.getByLabel("In effect from (UTC)").fill("2099-01-01T12:00");
        await page.getByRole("button", { name: "Set terms" }).click();
        const row = page.getByRole("row", { name: `lab/${script}` });
        await row.waitFor();
        expect(await row.innerText()).toContain("later");
        page.once("dialog", (dialog) => void dialog.accept());
        await row.getByRole("button", { name: "Take back" }).click();
        await row.waitFor({ state: "detached" });
        await page.getByText("New terms").click();
        await page.getByLabel("Account").fill("zoe");
        await page.getByLabel("Target").fill(`lab/${script}`);
        await page.getByLabel("Discount in %").fill("5");
        await page.getByRole("button", { name: "Set terms" }).click();
        await row.waitFor();
        page.once("dialog", (dialog) => void dialog.accept());
        await row.getByRole("button", { name: "Withdraw" }).click();
        await page
          .getByRole("row", { name: /as the file says withdrawn/ })
          .first()
          .waitFor();
        expect(complaints).toEqual([]);
        await page.context().close();
      }
    },
    patienceMs,
  );

  if (lanAddress === null)
    console.log("skipped: 1 test of the dashboard over plain http (no address but loopback here)");
  else {
    const lan = lanAddress;
    test(
      "over plain http in a LAN signing in works, and every page says that it is not protected",
      async () => {
        const { page, complaints } = await open(lan);
        await signIn(page);
        expect((await page.context().cookies()).map(({ name, secure }) => ({ name, secure }))).toEqual([
          { name: "llmp", secure: false },
        ]);
        expect(await page.getByText("open over plain http").count()).toBe(1);
        await page.getByRole("link", { name: "Keys", exact: true }).click();
        await page.getByText("New key").click();
        await page.getByLabel("Name").fill("over plain http");
        await page.getByRole("button", { name: "Create key" }).click();
        expect(await page.locator("#secret").textContent()).toBe(newSecret);
        await page.getByRole("button", { name: "Copy" }).click();
        await page.getByRole("button", { name: "Selected" }).waitFor();
        expect(await page.evaluate(() => getSelection()?.toString())).toBe(newSecret);
        await page.screenshot({ path: join(screenshots, "lan.png"), fullPage: true });
        // Chromium notes that it ignores this header on plain http, which is where it has nothing to protect.
        expect(
          complaints.filter(
            (complaint) => !complaint.startsWith("The Cross-Origin-Opener-Policy header has been ignored"),
          ),
        ).toEqual([]);
        await page.context().close();
      },
      patienceMs,
    );
  }
}
