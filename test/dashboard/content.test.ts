import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { Browser } from "playwright-core";
import type { KeptContent } from "../../core/pipeline/content/log.ts";
import { call, chat } from "../support/clients.ts";
import { invariants } from "../support/invariants.ts";
import { answers } from "../support/openai-answers.ts";
import { until } from "../support/poll.ts";
import { setUp } from "../support/setup.ts";
import { browserPath, complaintsOf, launch } from "./browser.ts";
import { callRow } from "./seed.ts";
import { keyRow, site, startMs } from "./site.ts";
import { signedIn } from "./visitor.ts";

/** Prompts and answers on the pages: who sees them, and that nothing of what a stranger wrote comes to life there. */

const callId = "018f0000-0000-7000-8000-00000000c0de";
const side = { text: "said", bytes: 4, truncated: false, redacted: {}, media: 0 };
const keptOf = (changed: Partial<KeptContent> = {}): KeptContent => ({
  callId,
  accountId: "default",
  createdMs: startMs,
  expiresMs: startMs + 86_400_000,
  request: {
    ...side,
    text: "\n the prompt <b>\u202e",
    bytes: 70_000,
    truncated: true,
    redacted: { email: 2, card: 1 },
    media: 3,
  },
  answer: { ...side, text: "the answer" },
  ...changed,
});
const calls = [callRow(1, { callId })];

describe("the page of a call", () => {
  test("has nothing of prompt and answer, and a link to them", async () => {
    const browser = await signedIn(site({ seed: { calls }, kept: [keptOf()] }));
    const page = await (await browser.get(`/dashboard/calls/${callId}`)).text();
    expect(page).toContain(`<a href="/dashboard/calls/${callId}/content">`);
    expect(page).not.toContain("the prompt");
    expect(page).not.toContain("the answer");
  });

  test("leads to prompt and answer, escaped, and what was done to them", async () => {
    const browser = await signedIn(site({ seed: { calls }, kept: [keptOf()] }));
    const page = await (await browser.get(`/dashboard/calls/${callId}/content`)).text();
    expect(page).toContain("<!doctype html>");
    expect(page).toContain('<pre dir="auto" tabindex="0">\n\n the prompt &lt;b&gt;⟨U+202E⟩</pre>');
    expect(page).toContain("70,000 bytes, cut to what is shown. Redacted: 2 × email, 1 × card. Media not kept: 3.");
    expect(page).toContain(">the answer</pre>".replace(">", ">\n"));
    const part = await browser.get(`/dashboard/calls/${callId}/content`, { "hx-request-type": "partial" });
    expect(await part.text()).toStartWith("<h2>What was asked</h2>");
  });

  test("says that the client got nothing, and shows nothing where nothing is kept", async () => {
    const without = await signedIn(site({ seed: { calls }, kept: [keptOf({ answer: null })] }));
    expect(await (await without.get(`/dashboard/calls/${callId}/content`)).text()).toContain("The client got nothing.");
    const none = await signedIn(site({ seed: { calls } }));
    expect(await (await none.get(`/dashboard/calls/${callId}`)).text()).not.toContain("Prompt and answer");
    expect((await none.get(`/dashboard/calls/${callId}/content`)).status).toBe(404);
  });

  test("removes them, once", async () => {
    const kept = [keptOf()];
    const browser = await signedIn(site({ seed: { calls, keys: [keyRow("k1", "first")] }, kept }));
    const removal = `/dashboard/calls/${callId}/content-removal`;
    const answer = await browser.post(removal);
    expect([answer.status, answer.headers.get("location")]).toEqual([303, `/dashboard/calls/${callId}`]);
    expect(kept).toEqual([]);
    expect((await browser.post(removal)).status).toBe(404);
  });
});

describe("forms", () => {
  test("a new key says whether content is kept, and nothing else is taken", async () => {
    const one = site();
    const browser = await signedIn(one);
    const make = (content: string) => browser.post("/dashboard/keys", { name: `key ${content}`, content });
    expect([(await make("on")).status, (await make("")).status, (await make("forbid")).status]).toEqual([
      201, 201, 422,
    ]);
    const said = one.database.rows.keys.map(({ id }) => one.database.content.setting({ kind: "key", id }));
    expect(said).toEqual(["on", null]);
    const list = await (await browser.get("/dashboard/keys")).text();
    expect(list.split("prompts and answers kept")).toHaveLength(2);
  });

  test("an account's is chosen, shown, and taken back", async () => {
    const one = site({ seed: { accounts: [{ id: "team", parentId: null, name: "Team", createdMs: startMs }] } });
    const browser = await signedIn(one);
    const save = (fields: Readonly<Record<string, string>>) =>
      browser.post("/dashboard/accounts/team", { name: "Team", parentId: "", ...fields });
    const setting = () => one.database.content.setting({ kind: "account", id: "team" });
    expect((await save({ content: "forbid" })).status).toBe(303);
    expect(setting()).toBe("forbid");
    expect(await (await browser.get("/dashboard/accounts/team")).text()).toContain('value="forbid" selected');
    await save({});
    expect(setting()).toBe("forbid");
    await save({ content: "" });
    expect(setting()).toBeNull();
    expect((await save({ content: "perhaps" })).status).toBe(422);
  });
});

if (browserPath === null)
  console.log("skipped: a test of content in a browser (no chromium here; CHROMIUM_PATH names one)");
else inBrowser(browserPath);

/** Battery 061. `c` sets what no page of ours sets. */
function inBrowser(path: string): void {
  const canaries = [
    `"><img src=x onerror=c()>`,
    `</script><script>c()</script>`,
    `</pre></details><script>c()</script>`,
    `' onmouseover=c() x='`,
    `javascript:c()`,
    `<svg/onload=c()>`,
    `<div hx-get=/dashboard/calls hx-trigger=load>`,
    `<form action=/dashboard/logout method=post><button autofocus>x</button></form>`,
    `<style>*{display:none}</style>`,
    `<!--`,
    `{{7*7}}`,
    `\u2028\u2029\u202e\u0000`,
    `&lt;img src=x onerror=c()&gt;`,
  ];
  const hostile = canaries.join("\n");

  describe("in a browser", () => {
    let browser: Browser;
    let setup: Awaited<ReturnType<typeof setUp>>;
    beforeAll(async () => {
      setup = await setUp({ key: { name: "hostile", content: "on" } });
      browser = await launch(path);
    }, 90_000);
    afterAll(async () => {
      await browser.close();
      await setup.stop();
    });

    test("nothing in a prompt or an answer comes to life", async () => {
      const { gateway, upstream, key } = setup;
      upstream.on("hostile", answers({ text: hostile }));
      for (const stream of [true, false]) {
        const body = chat("mock/hostile", { stream, messages: [{ role: "user", content: hostile }], user: hostile });
        const reply = await call(gateway, key.key, body);
        const api = `${gateway.url}/api/calls/${reply.callId}/content`;
        await until("the content is written", async () => {
          return (await fetch(api, { headers: { authorization: `Bearer ${gateway.adminToken}` } })).status === 200;
        });
        const page = await browser.newPage({ baseURL: gateway.url, viewport: { width: 390, height: 800 } });
        const complaints = complaintsOf(page);
        const asked: string[] = [];
        await page.addInitScript("window.c = () => { window.cameToLife = true; }");
        await page.goto("/dashboard/login");
        await page.getByLabel("Admin token").fill(gateway.adminToken);
        await page.getByRole("button", { name: "Sign in" }).click();
        await page.getByRole("heading", { name: "Overview" }).waitFor();
        page.on("request", (request) => void asked.push(new URL(request.url()).pathname));
        await page.goto(`/dashboard/calls/${reply.callId}`);
        const texts = page.locator("details.content pre");
        expect(await texts.count()).toBe(0);
        await page.getByText("Prompt and answer", { exact: true }).click();
        await texts.last().waitFor();
        expect(await texts.count()).toBe(2);
        const [prompt = "", answer = ""] = await texts.allTextContents();
        for (const canary of canaries.slice(0, -2)) {
          expect(prompt).toContain(JSON.stringify(canary).slice(1, -1));
          expect(answer).toContain(stream ? canary : JSON.stringify(canary).slice(1, -1));
        }
        for (const text of await texts.all()) await text.hover();
        expect(await page.evaluate("window.cameToLife === true")).toBe(false);
        expect(await page.locator("details.content :is(img, svg, script, style, pre form, pre div)").count()).toBe(0);
        expect(asked.filter((name) => !/^\/dashboard\/(assets\/|calls\/)/.test(name))).toEqual([]);
        expect(await page.evaluate("document.documentElement.scrollWidth <= innerWidth")).toBe(true);
        if (process.env["SCREENSHOTS"])
          await page.screenshot({ path: `${process.env["SCREENSHOTS"]}/content-${stream}.png`, fullPage: true });
        page.once("dialog", (dialog) => void dialog.accept());
        await page.getByRole("button", { name: "Remove prompt and answer" }).click();
        await page.getByText("Prompt and answer", { exact: true }).waitFor({ state: "detached" });
        await page.getByText("What answered").waitFor();
        expect(complaints).toEqual([]);
        await page.context().close();
      }
      await invariants(setup);
    }, 90_000);

    test("they are read when they are opened, and not before", async () => {
      const { gateway, upstream, key } = setup;
      upstream.on("plain", answers({ text: "an answer" }));
      const { callId: id } = await call(gateway, key.key, chat("mock/plain"));
      const readings = async (): Promise<readonly string[]> => {
        const { data } = await gateway.admin<{ data: { route: string }[] }>(
          "GET",
          `/api/audit?action=content.read&objectId=${id}`,
        );
        return data.map(({ route }) => route);
      };
      const page = await browser.newPage({ baseURL: gateway.url });
      await page.goto("/dashboard/login");
      await page.getByLabel("Admin token").fill(gateway.adminToken);
      await page.getByRole("button", { name: "Sign in" }).click();
      await page.getByRole("heading", { name: "Overview" }).waitFor();
      const summary = page.getByText("Prompt and answer", { exact: true });
      await until("the content is written", async () => {
        await page.goto(`/dashboard/calls/${id}`);
        return (await summary.count()) === 1;
      });
      expect(await readings()).toEqual([]);
      await summary.click();
      await page.getByText("an answer").waitFor();
      await summary.click();
      await summary.click();
      expect(await readings()).toEqual(["GET /dashboard/calls/:id/content"]);
      await page.context().close();
    }, 90_000);
  });
}
