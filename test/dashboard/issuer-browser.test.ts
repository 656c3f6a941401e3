import { afterAll, beforeAll, expect, test } from "bun:test";
import { join } from "node:path";
import type { Browser } from "playwright-core";
import { clientId, clientSecret, type LoginIssuer, startLoginIssuer } from "../support/login-issuer.ts";
import { setUp, type Setup } from "../support/setup.ts";
import { browserPath, complaintsOf, launch } from "./browser.ts";

const patienceMs = 90_000;

if (browserPath === null) console.log("skipped: 1 test of a sign-in through an issuer in a browser (no chromium here)");
else inBrowser(browserPath);

function inBrowser(path: string): void {
  let issuer: LoginIssuer;
  let setup: Setup;
  let browser: Browser;
  beforeAll(async () => {
    issuer = await startLoginIssuer();
    issuer.endSession = `${issuer.url}/end`;
    const entry = `{ issuer: "${issuer.url}", clientId: ${clientId}, clientSecret: ${clientSecret}, label: Staff, roles: [{ group: a, role: admin }] }`;
    setup = await setUp({ config: `server: { login: { oidc: { staff: ${entry} } } }` });
    browser = await launch(path);
  }, patienceMs);
  afterAll(async () => {
    await browser.close();
    await setup.stop();
    await issuer.stop();
  });

  // The issuer is another site than `localhost`, so cookies have to survive a way back from one.
  test.each([1280, 390])(
    "a sign-in through an issuer in chromium, %d pixels wide",
    async (width) => {
      const { port } = new URL(setup.gateway.url);
      const context = await browser.newContext({
        baseURL: `http://localhost:${port}`,
        viewport: { width, height: 860 },
      });
      const page = await context.newPage();
      page.setDefaultTimeout(15_000);
      const complaints = complaintsOf(page);
      const shot = async (name: string) => {
        const folder = process.env["SCREENSHOTS"];
        if (folder !== undefined)
          await page.screenshot({ path: join(folder, `issuer-${name}-${width}.png`), fullPage: true });
        expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(width);
      };

      await page.goto("/dashboard/keys");
      expect(new URL(page.url()).pathname).toBe("/dashboard/login");
      await shot("login");
      const email = `grace-${width}@example.com`;
      issuer.person = { sub: email, email, email_verified: true, name: "Grace", groups: ["a"] };
      await page.getByRole("link", { name: "Sign in with Staff" }).click();
      await page.waitForURL("**/dashboard/keys");
      const cookies = await context.cookies();
      expect(cookies.map(({ name }) => name).toSorted()).toEqual(["__Host-llmp", "__Host-llmp-sign-out"]);
      await page.goto("/dashboard/people");
      expect(await page.getByRole("row", { name: email }).textContent()).toContain(new URL(issuer.url).host);
      await shot("people");
      await page.goto("/dashboard/me");
      await shot("me");

      await page.getByRole("button", { name: "Sign out" }).click();
      await page.waitForURL("**/dashboard/login");
      // By way of the issuer, although a form may lead to this site alone.
      expect(issuer.asked.filter((asked) => asked === "/end")).toHaveLength(width === 1280 ? 1 : 2);
      expect(await context.cookies()).toEqual([]);
      expect(complaints).toEqual([]);
      issuer.person = { ...issuer.person, groups: [] };
      await page.getByRole("link", { name: "Sign in with Staff" }).click();
      await page.getByRole("alert").waitFor();
      expect(await page.getByRole("alert").textContent()).toContain("None of your groups has a role here");
      await shot("refused");
      await context.close();
    },
    patienceMs,
  );
}
