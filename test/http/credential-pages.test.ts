import { afterAll, expect, test } from "bun:test";
import { call, chat } from "../support/clients.ts";
import { invariants } from "../support/invariants.ts";
import { answers } from "../support/openai-answers.ts";
import { setUp } from "../support/setup.ts";

/** Stored keys on their pages: what is typed is sent to the upstream, and comes back on no page. */
const setup = await setUp();
const { gateway, upstream } = setup;
afterAll(() => setup.stop());
upstream.on("ok", answers());

const own = { origin: gateway.url, "sec-fetch-site": "same-origin" };
async function post(path: string, fields: Readonly<Record<string, string>>, headers: Record<string, string> = {}) {
  return fetch(`${gateway.url}${path}`, {
    method: "POST",
    headers: { ...own, ...headers },
    body: new URLSearchParams(fields),
    redirect: "manual",
  });
}
const login = await post("/dashboard/login", { token: gateway.adminToken });
const cookie = login.headers.get("set-cookie")?.split(";")[0] ?? "";
const page = async (path: string) => {
  const response = await fetch(`${gateway.url}${path}`, { headers: { cookie }, redirect: "manual" });
  return { status: response.status, text: await response.text() };
};
const csrf = async () => /name="csrf" value="([^"]+)"/.exec((await page("/dashboard/keys")).text)?.[1] ?? "";
const submit = async (path: string, fields: Readonly<Record<string, string>>) => {
  const response = await post(path, { csrf: await csrf(), ...fields }, { cookie });
  return { status: response.status, to: response.headers.get("location"), text: await response.text() };
};
const sent = async () => {
  await call(gateway, setup.key.key, chat("mock/ok"));
  return upstream.log.at(-1)?.request.headers["authorization"];
};
const at = "/dashboard/providers/mock";

test("a key is stored, weighed, disabled, replaced and removed on its page, and shown by its last four", async () => {
  const [first, second] = [crypto.randomUUID(), crypto.randomUUID()].map((id) => `sk-page-canary-${id}`) as [
    string,
    string,
  ];
  for (const secret of [first, second]) gateway.secrets.add(secret);
  const texts: string[] = [];
  const shown = async () => {
    const { status, text } = await page(at);
    expect(status).toBe(200);
    texts.push(text, (await page("/dashboard/providers")).text);
    return text;
  };
  expect(await submit(`${at}/credentials`, { apiKey: first, name: "team <b>", weight: "2" })).toMatchObject({
    status: 303,
    to: at,
  });
  const text = await shown();
  expect(text).toContain(`***${first.slice(-4)}`);
  expect(text).toContain("team &lt;b&gt;");
  const id = /credentials\/([0-9a-f-]{36})"/.exec(text)?.[1] ?? "";
  expect(await sent()).toBe(`Bearer ${first}`);

  // Saved as it was shown: the field of the key is empty, and the key stays.
  await submit(`${at}/credentials/${id}`, { name: "team", weight: "3", enabled: "yes", apiKey: "" });
  expect(await sent()).toBe(`Bearer ${first}`);
  const masked = await submit(`${at}/credentials/${id}`, { name: "team", apiKey: `***${first.slice(-4)}` });
  expect(masked.status).toBe(422);
  expect(masked.text).toContain("this is the mask of a key");
  texts.push(masked.text);
  expect(await sent()).toBe(`Bearer ${first}`);

  await submit(`${at}/credentials/${id}`, { enabled: "no" });
  expect(await sent()).toBe(`Bearer ${setup.upstreamKey}`);
  expect(await shown()).toContain("disabled");
  await submit(`${at}/credentials/${id}`, { enabled: "yes", apiKey: second });
  expect(await sent()).toBe(`Bearer ${second}`);
  await shown();

  const typo = await submit(`${at}/credentials`, { apiKey: second, weight: "many" });
  expect([typo.status, typo.text.includes("Weight: a whole number")]).toEqual([422, true]);
  texts.push(typo.text);
  expect((await submit("/dashboard/providers/nobody/credentials", { apiKey: second })).status).toBe(404);
  expect((await submit("/dashboard/providers/echo/credentials", { apiKey: second })).status).toBe(422);

  expect((await submit(`${at}/credentials/${id}/removal`, {})).to).toBe(at);
  expect(await sent()).toBe(`Bearer ${setup.upstreamKey}`);
  expect((await submit(`${at}/credentials/${id}/removal`, {})).status).toBe(404);
  expect(await shown()).toContain("No stored keys");
  for (const secret of [first, second, setup.upstreamKey]) for (const each of texts) expect(each).not.toContain(secret);
  await invariants(setup);
});

test("somebody who only reads sees the keys and no form, and changes nothing", async () => {
  await gateway.admin("POST", "/api/providers/mock/credentials", { apiKey: "sk-only-to-be-seen-0123456789" });
  const made = await gateway.admin<{ token?: string; id: string }>("POST", "/api/people", {
    kind: "service",
    name: "viewer",
    role: "viewer",
  });
  const { token } = await gateway.admin<{ token: string }>("POST", `/api/people/${made.id}/tokens`, { name: "t" });
  const ask = (method: string, path: string) =>
    fetch(`${gateway.url}${path}`, {
      method,
      headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
      ...(method !== "GET" && { body: JSON.stringify({ apiKey: "sk-of-a-viewer-0123456789" }) }),
    });
  const listed = await ask("GET", "/api/providers/mock/credentials");
  expect(listed.status).toBe(200);
  expect(await listed.text()).toContain("***6789");
  expect((await ask("POST", "/api/providers/mock/credentials")).status).toBe(403);
  expect(await sent()).toBe("Bearer sk-only-to-be-seen-0123456789");
});
