import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { Secret, TOTP } from "otpauth";
import { formWith } from "../dashboard/visitor.ts";
import { type Gateway, startGateway } from "../support/process.ts";
import { api, form, join, operatorSession, page, type Signed } from "../support/visits.ts";

/** Forms that come back with a fault: they show what was typed, and saving them then changes just that. */
let gateway: Gateway;
let operator: Pick<Signed, "cookie" | "csrf">;
beforeAll(async () => {
  gateway = await startGateway({
    config: "provider: { up: { use: openai-compatible, baseUrl: http://127.0.0.1:9/v1, vendor: other } }\n",
  });
  operator = await operatorSession(gateway);
}, 30_000);
afterAll(() => gateway.dispose());

type Fields = Readonly<Record<string, string>>;
const made = async (path: string, body: object) => (await api(gateway, "POST", `/api/${path}`, body)).body.id;
const formOf = async (path: string, field: string) =>
  formWith(field, (await page(gateway, path, operator.cookie)).text);
const send = (path: string, fields: URLSearchParams) => form(gateway, path, Object.fromEntries(fields), operator);
/** Types it into the form with that field, which is refused, and gives back the form as it comes then. */
async function refused(at: string, field: string, typed: Fields, action = at): Promise<URLSearchParams> {
  const sent = await formOf(at, field);
  for (const [name, text] of Object.entries(typed)) sent.set(name, text);
  const answer = await send(action, sent);
  expect(answer.status).toBe(422);
  return formWith(field, answer.text);
}
const showsAgain = (again: URLSearchParams, typed: Fields) =>
  expect(Object.fromEntries(again)).toMatchObject({ ...typed });

test("that of an account", async () => {
  const at = `/dashboard/accounts/${await made("accounts", { name: "first" })}`;
  const typed = { name: "  ", parentId: "default", content: "off" };
  const again = await refused(at, "parentId", typed);
  showsAgain(again, typed);
  again.set("name", "second");
  expect((await send(at, again)).status).toBe(303);
  expect((await api(gateway, "GET", at.replace("/dashboard", "/api"))).body).toMatchObject({
    name: "second",
    parentId: "default",
    content: "off",
  });
});

test("those of a budget: its terms, and an increase", async () => {
  const scope = { kind: "account", id: "default" };
  const id = await made("budgets", { scope, usd: 5, window: "day" });
  const at = `/dashboard/budgets/${id}`;
  const typed = { usd: "no number", onShortfall: "refuse", admission: "expected", alertPercents: "10, 20" };
  const again = await refused(at, "onShortfall", typed);
  showsAgain(again, typed);
  again.set("usd", "6");
  expect((await send(at, again)).status).toBe(303);
  expect((await api(gateway, "GET", `/api/budgets/${id}`)).body).toMatchObject({
    limitNano: 6e9,
    onShortfall: "refuse",
    admission: "expected",
    alertPercents: [10, 20],
  });
  const more = { usd: "7", until: "2001-01-01" };
  showsAgain(await refused(at, "until", more, `${at}/increase`), more);
  // The other form is as it was.
  expect((await formOf(at, "onShortfall")).get("usd")).toBe("6.00");
});

test("that of a limit, with one more", async () => {
  const at = `/dashboard/limits/${await made("limits", { scope: { kind: "account", id: "default" }, requestsPerMinute: 5 })}`;
  const typed = { requestsPerMinute: "1.5", enforce: "no", amount: "7", measure: "tokens", per: "hour" };
  const again = await refused(at, "requestsPerMinute", typed);
  showsAgain(again, typed);
  again.set("requestsPerMinute", "6");
  expect((await send(at, again)).status).toBe(303);
  expect((await api(gateway, "GET", at.replace("/dashboard", "/api"))).body).toMatchObject({
    requestsPerMinute: 6,
    tokensPerHour: 7,
    enforce: false,
  });
});

test("those of a person and of a service, and of tokens", async () => {
  const [somebody, taken] = [await join(gateway, "viewer"), await join(gateway, "viewer")];
  const typed = { name: "new", email: taken.email, role: "member", accountId: "default" };
  showsAgain(await refused(`/dashboard/people/${somebody.id}`, "role", typed), typed);
  const service = `/dashboard/people/${await made("people", { kind: "service", name: "ci", role: "viewer", accountId: null })}`;
  const token = { name: "nightly", expires: "2001-01-01" };
  showsAgain(await refused(service, "expires", token, `${service}/tokens`), token);
  const own = await form(gateway, "/dashboard/me/tokens", token, somebody);
  expect(own.status).toBe(422);
  showsAgain(formWith("expires", own.text), token);
});

test("that of a second factor, with the secret that an app has by then", async () => {
  const somebody = await join(gateway, "viewer");
  const begun = await form(gateway, "/dashboard/me/totp", { password: "correct horse battery" }, somebody);
  const secret = /type the secret: <code>(\w+)</.exec(begun.text)?.[1] ?? "";
  gateway.secrets.add(secret);
  const confirm = (code: string, from: string) =>
    form(
      gateway,
      "/dashboard/me/totp/confirmation",
      { ...Object.fromEntries(formWith("enrolment", from)), code },
      somebody,
    );
  const wrong = await confirm("12345", begun.text);
  expect(wrong.status).toBe(422);
  expect(wrong.text).toContain("Code that the app shows: not the code of now");
  expect(wrong.text).toContain(`<code>${secret}</code>`);
  const right = await confirm(new TOTP({ secret: Secret.fromBase32(secret) }).generate(), wrong.text);
  expect([right.status, right.text]).toEqual([200, expect.stringContaining("The second factor is on")]);
  const forged = await confirm(
    "12345",
    wrong.text.replaceAll(/name="enrolment" value="..../g, 'name="enrolment" value="AAAA'),
  );
  expect([forged.status, forged.text.includes("otpauth")]).toEqual([422, false]);
});

describe("those of a provider's keys", () => {
  const at = "/dashboard/providers/up";
  const stored = async () => (await api(gateway, "GET", "/api/providers/up/credentials")).body.data[0];

  test("but for the keys themselves", async () => {
    const typed = { name: "spare", weight: "9999" };
    const again = await refused(at, "apiKey", { ...typed, apiKey: "sk-not-shown" }, `${at}/credentials`);
    showsAgain(again, { ...typed, apiKey: "" });
    again.set("weight", "2");
    again.set("apiKey", "sk-of-the-spare-one");
    expect((await send(`${at}/credentials`, again)).status).toBe(303);

    const { id } = await stored();
    const change = { name: "other", weight: "0", enabled: "no" };
    showsAgain(await refused(at, "enabled", change, `${at}/credentials/${id}`), change);
  });

  test("changes just what was typed, also of one that stood open", async () => {
    const { id } = await stored();
    const stale = await formOf(at, "enabled");
    await api(gateway, "PATCH", `/api/providers/up/credentials/${id}`, { name: "renamed", enabled: false });
    stale.set("weight", "3");
    expect((await send(`${at}/credentials/${id}`, stale)).status).toBe(303);
    expect(await stored()).toMatchObject({ name: "renamed", enabled: false, weight: 3 });
    const { changedAt } = await stored();
    expect((await send(`${at}/credentials/${id}`, await formOf(at, "enabled"))).status).toBe(303);
    expect((await stored()).changedAt).toBe(changedAt);
  });

  test("is not found when its key was removed meanwhile, whatever was typed", async () => {
    const { id } = await stored();
    const stale = await formOf(at, "enabled");
    await api(gateway, "DELETE", `/api/providers/up/credentials/${id}`);
    stale.set("weight", "no number");
    expect((await send(`${at}/credentials/${id}`, stale)).status).toBe(404);
  });
});

test("people of an account must say what a new limit is on, as theirs is never on each of them", async () => {
  const accountId = await made("accounts", { name: "limited" });
  const admin = await join(gateway, "admin", { accountId });
  const fieldFor = async (cookie: string) =>
    /<input name="id"[^>]*>/.exec((await page(gateway, "/dashboard/limits", cookie)).text)?.[0];
  expect(await fieldFor(admin.cookie)).toContain('required placeholder="id"');
  const ofOperator = await fieldFor(operator.cookie);
  expect(ofOperator).toContain("none for each of them");
  expect(ofOperator).not.toContain("required");
});

test("nobody is offered an account that is none of theirs for a new key", async () => {
  const accountId = await made("accounts", { name: "tenant" });
  const admin = await join(gateway, "admin", { accountId });
  const { text } = await page(gateway, "/dashboard/keys", admin.cookie);
  expect(text.match(/<select name="accountId">.*?<\/select>/)?.[0]).toBe(
    `<select name="accountId"><option value="${accountId}">tenant</option></select>`,
  );
});

test("what was chosen and is gone stays chosen: a new person or key would be placed elsewhere by the next try", async () => {
  for (const [at, field, label] of [
    ["/dashboard/people", "kind", "Sees"],
    ["/dashboard/keys", "window", "Account"],
  ] as const) {
    const gone = await made("accounts", { name: "short-lived" });
    const sent = await formOf(at, field);
    await api(gateway, "DELETE", `/api/accounts/${gone}`);
    for (const [name, text] of Object.entries({
      name: "new",
      email: "new@example.com",
      role: "viewer",
      accountId: gone,
    }))
      sent.set(name, text);
    const answer = await send(at, sent);
    expect(answer.status).toBe(422);
    expect(answer.text).toContain(`>${label}: no such object<`);
    expect(formWith(field, answer.text).get("accountId")).toBe(gone);
  }
});
