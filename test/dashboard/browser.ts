import { expect } from "bun:test";
import { existsSync } from "node:fs";
import { networkInterfaces } from "node:os";
import { chromium, type Browser, type Page } from "playwright-core";
import { adminToken, type Site } from "./site.ts";

const candidates = [
  process.env["CHROMIUM_PATH"],
  "/usr/bin/chromium",
  "/usr/bin/chromium-browser",
  "/usr/bin/google-chrome",
];

/** `null`: no browser on this machine. */
export const browserPath: string | null = candidates.find((path) => path !== undefined && existsSync(path)) ?? null;

/** An IPv4 address of this machine that is not loopback; `null` without a network. */
export const lanAddress: string | null =
  Object.values(networkInterfaces())
    .flat()
    .find((entry) => entry?.family === "IPv4" && !entry.internal)?.address ?? null;

export function launch(executablePath: string): Promise<Browser> {
  const args = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
  ];
  return chromium.launch({ executablePath, headless: true, args });
}

/** Ends a test that hangs, not one on a slow machine: when time is up the browser is killed, and with it all that follow. */
export const patienceMs = 90_000;

/** A site that is served here, and a browser that visits it. */
export interface Visits {
  /** A window of its own, with what its pages complain about. */
  open(
    host: string,
    options?: { width?: number; dark?: boolean; script?: boolean },
  ): Promise<{ page: Page; complaints: string[] }>;
  stop(): Promise<void>;
}

export async function visitsOf({ fetch }: Pick<Site, "fetch">, executablePath: string): Promise<Visits> {
  const server = Bun.serve({ port: 0, hostname: "0.0.0.0", fetch });
  const browser = await launch(executablePath);
  return {
    async open(host, { width = 1280, dark = false, script = true } = {}) {
      const context = await browser.newContext({
        baseURL: `http://${host}:${server.port}`,
        viewport: { width, height: 860 },
        colorScheme: dark ? "dark" : "light",
        javaScriptEnabled: script,
      });
      const page = await context.newPage();
      page.setDefaultTimeout(15_000);
      return { page, complaints: complaintsOf(page) };
    },
    async stop() {
      await browser.close();
      await server.stop(true);
    },
  };
}

export async function signIn(page: Page): Promise<void> {
  await page.goto("/dashboard/login");
  await page.getByLabel("Admin token").fill(adminToken);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByRole("heading", { name: "Overview" }).waitFor();
}

/** Where there are people, the token is for those who lost their way in. */
export async function signInWithToken(page: Page, token: string): Promise<void> {
  await page.goto("/dashboard/login");
  await page.getByText("Use the admin token").click();
  await page.getByLabel("Admin token").fill(token);
  await page.getByRole("button", { name: "Sign in with the token" }).click();
  await page.getByRole("heading", { name: "Overview" }).waitFor();
}

/** A site's tables, each by its label and the page that it stands on, show their whole width on a desk and on a tablet on its side. */
export async function expectWhole(
  page: Page,
  tables: Readonly<Record<string, string>>,
  picture: string,
): Promise<void> {
  for (const [label, address] of Object.entries(tables))
    for (const width of [1920, 1280, 1024]) {
      await page.setViewportSize({ width, height: 860 });
      await page.goto(address);
      const over = await page
        .getByRole("region", { name: label, exact: true })
        .evaluate((box) => box.scrollWidth - box.clientWidth);
      const { SCREENSHOTS } = process.env;
      if (SCREENSHOTS)
        await page.screenshot({ path: `${SCREENSHOTS}/${picture}-${label}-${width}.png`, fullPage: true });
      expect({ label, width, over }).toEqual({ label, width, over: 0 });
    }
}

/** Collects what a page complains about: errors and warnings of the console (a refused style or script is one), thrown errors, failed loads. */
export function complaintsOf(page: Page): string[] {
  const complaints: string[] = [];
  page.on("console", (message) => {
    if (message.type() === "error" || message.type() === "warning") complaints.push(message.text());
  });
  page.on("pageerror", (error) => complaints.push(String(error)));
  page.on("requestfailed", (request) => {
    const reason = request.failure()?.errorText ?? "";
    // The page was left before, say, its icon had come. What a policy refuses is reported in other words.
    if (reason !== "net::ERR_ABORTED") complaints.push(`${request.url()} ${reason}`);
  });
  return complaints;
}
