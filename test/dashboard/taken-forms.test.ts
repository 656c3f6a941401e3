import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { Browser } from "playwright-core";
import { createTakenForms } from "../../core/dashboard/taken-forms.ts";
import { type Gateway, startGateway } from "../support/process.ts";
import { api, form, join, operatorSession, page, type Signed } from "../support/visits.ts";
import { browserPath, launch, signInWithToken } from "./browser.ts";

/** Forms that make something or move money, sent twice: by two clicks, a reload, or a client that tries again. */

describe("what is remembered", () => {
  const request = (path = "/dashboard/keys") => new Request(`http://localhost${path}`, { method: "POST" });
  const typed = (fields: Readonly<Record<string, string>> = { once: "a", name: "k" }) => new URLSearchParams(fields);
  function started() {
    const clock = { nowMs: 0 };
    let times = 0;
    const forms = createTakenForms(() => clock.nowMs);
    const send = async ({ sender = "one", to = request(), fields = typed(), status = 200 } = {}) => {
      const answer = await forms.once(sender, to, fields, async () => new Response(`page ${++times}`, { status }));
      return answer.text();
    };
    return { clock, forms, send };
  }

  test("is the answer, for the same form of the same session only", async () => {
    const { send } = started();
    expect([await send(), await send(), await send()]).toEqual(["page 1", "page 1", "page 1"]);
    expect(await send({ sender: "another" })).toBe("page 2");
    expect(await send({ to: request("/dashboard/budgets") })).toBe("page 3");
    expect(await send({ fields: typed({ once: "a", name: "changed" }) })).toBe("page 4");
    expect(await send({ fields: typed({ once: "b", name: "k" }) })).toBe("page 5");
  });

  test("is nothing of a form without an id", async () => {
    const { send } = started();
    const fields = typed({ name: "k" });
    expect([await send({ fields }), await send({ fields })]).toEqual(["page 1", "page 2"]);
  });

  test("is nothing that was refused, or failed", async () => {
    const { forms, send } = started();
    expect([await send({ status: 422 }), await send()]).toEqual(["page 1", "page 2"]);
    const failing = () => forms.once("two", request(), typed(), () => Promise.reject(new Error("disk full")));
    expect(failing()).rejects.toThrow("disk full");
    expect(await send({ sender: "two" })).toBe("page 3");
  });

  test("is given to a form that comes while the first is at work", async () => {
    const { forms, send } = started();
    const { promise, resolve } = Promise.withResolvers<Response>();
    const first = forms.once("one", request(), typed(), () => promise);
    const second = send();
    resolve(new Response("made"));
    expect([await (await first).text(), await second]).toEqual(["made", "made"]);
  });

  test("is forgotten after five minutes, and the oldest beyond a hundred", async () => {
    const { clock, send } = started();
    await send();
    clock.nowMs = 5 * 60_000 - 1;
    expect(await send()).toBe("page 1");
    clock.nowMs += 1;
    expect(await send()).toBe("page 2");
    for (let n = 0; n < 100; n++) await send({ fields: typed({ once: `n${n}` }) });
    expect(await send({ fields: typed({ once: "n99" }) })).toBe("page 102");
    expect(await send()).toBe("page 103");
  });
});

describe("a process", () => {
  let gateway: Gateway;
  let owner: Signed;
  beforeAll(async () => {
    gateway = await startGateway({ config: "provider: { echo: {} }\n" });
    owner = await join(gateway, "owner");
  }, 30_000);
  afterAll(() => gateway.dispose());

  /** The id in the form with that action on a page. */
  async function onceOf(at: string, action: string): Promise<string> {
    const { text } = await page(gateway, at, owner.cookie);
    const markup = text.split("<form ").find((one) => one.includes(`method="post" action="${action}"`)) ?? "";
    return /name="once" value="([\w-]{36})"/.exec(markup)?.[1] ?? "";
  }
  /** Twice at the same time, and once more. */
  async function thrice(at: string, action: string, fields: Readonly<Record<string, string>>) {
    const once = await onceOf(at, action);
    expect(once).not.toBe("");
    const sent = () => form(gateway, action, { ...fields, once }, owner);
    const answers = [...(await Promise.all([sent(), sent()])), await sent()];
    expect(
      new Set(answers.map(({ status, text, headers }) => `${status} ${headers.get("location")} ${text}`)).size,
    ).toBe(1);
    return answers[0];
  }
  const listed = async (path: string): Promise<number> => (await api(gateway, "GET", path)).body.data.length;

  test("credits an account once, and leaves one entry in the audit log", async () => {
    const fields = { accountId: "default", usd: "7", expires: "", note: "" };
    const answer = await thrice("/dashboard/ledger", "/dashboard/ledger/credits", fields);
    expect([answer?.status, answer?.headers.get("location")]).toEqual([303, "/dashboard/ledger"]);
    expect(await listed("/api/ledger?kind=credit")).toBe(1);
    expect(await listed("/api/audit?action=credit.add")).toBe(1);
    // The next visit is another form.
    await thrice("/dashboard/ledger", "/dashboard/ledger/credits", fields);
    expect(await listed("/api/ledger?kind=credit")).toBe(2);
  });

  test("makes one budget, one limit, one account and one price", async () => {
    const scope = { kind: "account", id: "default" };
    const made = () =>
      Promise.all(
        ["budgets", "limits", "prices?source=database", "prices/charges"].map((path) => listed(`/api/${path}`)),
      );
    const before = await made();
    await thrice("/dashboard/budgets", "/dashboard/budgets", { ...scope, usd: "5", window: "month" });
    await thrice("/dashboard/limits", "/dashboard/limits", { ...scope, amount: "9", measure: "requests" });
    await thrice("/dashboard/accounts", "/dashboard/accounts", { name: "Team" });
    await thrice("/dashboard/prices", "/dashboard/prices", { target: "echo/x", input: "1", output: "2" });
    await thrice("/dashboard/prices/charges", "/dashboard/prices/charges", { target: "echo/x", margin: "3" });
    expect(await made()).toEqual(before.map((count) => count + 1));
    expect((await api(gateway, "GET", "/api/accounts")).text.match(/"Team"/g)).toHaveLength(1);
  });

  test("makes one token, one key, one secret and one person, and shows what is shown once to each of the answers", async () => {
    const before = await listed(`/api/people/${owner.id}/tokens`);
    const token = await thrice("/dashboard/me", "/dashboard/me/tokens", { name: "twice" });
    expect([token?.status, token?.text.match(/llmp_pat_\w{20,}/g)?.length]).toEqual([201, 1]);
    expect(await listed(`/api/people/${owner.id}/tokens`)).toBe(before + 1);

    const person = { kind: "person", name: "Bea", email: "bea@example.com", role: "viewer", accountId: "" };
    const invited = await thrice("/dashboard/people", "/dashboard/people", person);
    expect([invited?.status, invited?.text.includes("login?token=")]).toEqual([201, true]);

    const key = await thrice("/dashboard/keys", "/dashboard/keys", { name: "once", accountId: "default" });
    expect([key?.status, key?.text.includes('id="secret"')]).toEqual([201, true]);
    const keys: { name: string; id: string }[] = (await api(gateway, "GET", "/api/keys")).body.data;
    const made = keys.filter(({ name }) => name === "once");
    expect(made).toHaveLength(1);
    const of = `/dashboard/keys/${made[0]?.id}`;
    const rotated = await thrice(of, `${of}/rotation`, { graceSeconds: "0" });
    const secret = />(sk-llmp-[^<]{30,})</.exec(rotated?.text ?? "")?.[1] ?? "";
    const call = await fetch(`${gateway.url}/v1/models`, { headers: { authorization: `Bearer ${secret}` } });
    expect(call.status).toBe(200);
  });

  test("shows the holder of a key the secret that a second click asks for with the session of before", async () => {
    const { body } = await api(gateway, "POST", "/api/keys", { name: "holder" });
    const entered = await form(gateway, "/dashboard/login", { key: body.key });
    const cookie = /^[^;]+/.exec(entered.headers.get("set-cookie") ?? "")?.[0] ?? "";
    const { text } = await page(gateway, "/dashboard/me/key", cookie);
    const csrf = /x-csrf-token&quot;:&quot;(\w+)/.exec(text)?.[1] ?? "";
    const once = /name="once" value="([\w-]{36})"/.exec(text)?.[1] ?? "";
    const sent = () => form(gateway, "/dashboard/me/key/rotation", { once, graceSeconds: "0" }, { cookie, csrf });
    const first = await sent();
    // Strangers have no place among the forms that were taken.
    for (let n = 0; n < 101; n++) {
      const stranger = { once: String(n), graceSeconds: "0" };
      const refused = await form(gateway, "/dashboard/me/key/rotation", stranger, { csrf: "0" });
      expect(refused.headers.get("location")).toBe("/dashboard/login");
    }
    const second = await sent();
    expect([first.status, first.text.includes('id="secret"')]).toEqual([201, true]);
    expect([second.status, second.text === first.text]).toEqual([201, true]);
    expect(second.headers.get("set-cookie")).toBe(first.headers.get("set-cookie"));
  });

  test("takes no form whose session has ended, whatever was answered before", async () => {
    const { cookie, csrf } = await operatorSession(gateway);
    const fields = { accountId: "default", usd: "1", once: crypto.randomUUID() };
    const sent = (token = csrf) => form(gateway, "/dashboard/ledger/credits", fields, { cookie, csrf: token });
    expect((await sent()).status).toBe(303);
    expect((await sent("0")).status).toBe(403);
    await form(gateway, "/dashboard/logout", {}, { cookie, csrf });
    expect((await sent()).headers.get("location")).toBe("/dashboard/login");
  });

  test("takes a form once over a reload of its config", async () => {
    const once = await onceOf("/dashboard/me", "/dashboard/me/tokens");
    const sent = () => form(gateway, "/dashboard/me/tokens", { once, name: "reloaded" }, owner);
    const { text } = await sent();
    expect((await api(gateway, "POST", "/api/config/reload")).status).toBe(200);
    expect((await sent()).text).toBe(text);
  });

  if (browserPath === null)
    console.log("skipped: 2 tests of double clicks in a browser (no chromium here; CHROMIUM_PATH names one)");
  else inBrowser(browserPath);

  function inBrowser(path: string): void {
    let browser: Browser;
    beforeAll(async () => {
      browser = await launch(path);
    }, 90_000);
    afterAll(() => browser.close());

    for (const javaScriptEnabled of [true, false])
      test(`a double click is one click, ${javaScriptEnabled ? "with" : "without"} JavaScript`, async () => {
        const context = await browser.newContext({ baseURL: gateway.url, javaScriptEnabled });
        const shown = await context.newPage();
        await signInWithToken(shown, gateway.adminToken);
        await shown.goto("/dashboard/people");
        await shown.locator("#new-person > summary").click();
        await shown.locator("input[name=name]").fill("Cid");
        await shown.locator("input[name=email]").fill(`cid-${javaScriptEnabled}@example.com`);
        // The first has reached the process, and its answer is on the way.
        const [reached, clicked] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
        let sent = 0;
        await shown.route("**/dashboard/people", async (route) => {
          if (route.request().method() !== "POST") return route.continue();
          sent += 1;
          const response = await route.fetch();
          reached.resolve();
          await clicked.promise;
          // The browser may wait for the second one only.
          return route.fulfill({ response }).catch(() => {});
        });
        const { x = 0, y = 0 } = (await shown.getByRole("button", { name: "Create" }).boundingBox()) ?? {};
        await shown.mouse.click(x + 5, y + 5);
        await reached.promise;
        await shown.mouse.click(x + 5, y + 5);
        clicked.resolve();
        expect(await shown.locator("#secret").textContent()).toContain("login?token=");
        expect(sent).toBe(javaScriptEnabled ? 1 : 2);
        await context.close();
      }, 90_000);
  }
});
