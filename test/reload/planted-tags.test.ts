import { afterAll, expect, test } from "bun:test";
import { call, chat } from "../support/clients.ts";
import { configFileOf } from "../support/config-file.ts";
import { invariants } from "../support/invariants.ts";
import { answers } from "../support/openai-answers.ts";
import { setUp } from "../support/setup.ts";
import { api, form, join, operatorSession, page } from "../support/visits.ts";

/** Metadata that people of an account wrote while no alias went by it. */
const setup = await setUp({ config: "models:\n  fast: [mock/usual]" });
const { gateway, upstream } = setup;
for (const model of ["usual", "gold"]) upstream.on(model, answers());
afterAll(setup.stop);

test("an alias goes by no tag that people of an account set before it did, until those above say it", async () => {
  const admin = (method: string, path: string, body?: object) => api(gateway, method, path, body);
  const { body: tenant } = await admin("POST", "/api/accounts", { name: "tenant" });
  const { token } = await join(gateway, "admin", { accountId: tenant.id });
  const own = (method: string, path: string, body: object) => api(gateway, method, path, body, token);

  const { body: kid } = await own("POST", "/api/accounts", { name: "kid", metadata: { tier: "gold", team: "search" } });
  const { body: raised } = await admin("POST", "/api/accounts", {
    name: "raised",
    parentId: tenant.id,
    metadata: { tier: "silver", owner: "ops" },
  });
  expect((await own("PATCH", `/api/accounts/${raised.id}`, { metadata: { tier: "gold", owner: "ops" } })).status).toBe(
    200,
  );
  const { body: given } = await admin("POST", "/api/accounts", {
    name: "given",
    parentId: tenant.id,
    metadata: { tier: "gold" },
  });
  // Beside what was said above it they say what is theirs.
  await own("PATCH", `/api/accounts/${given.id}`, { metadata: { tier: "gold", team: "search" } });
  const keys = new Map<string, string>();
  for (const { id } of [kid, raised, given]) keys.set(id, (await gateway.createKey({ accountId: id })).key);
  const modelOf = async (id: string) => {
    const reply = await call(gateway, keys.get(id) ?? "", chat("fast"));
    return reply.headers.get("x-llm-proxy-model");
  };

  const file = configFileOf(gateway);
  const condition = "{ targets: [{ target: mock/gold, when: { account: { tier: gold } } }, mock/usual] }";
  await file.reloadWith(file.first.replace("fast: [mock/usual]", `fast: ${condition}`));
  expect([await modelOf(kid.id), await modelOf(raised.id), await modelOf(given.id)]).toEqual([
    "usual",
    "usual",
    "gold",
  ]);
  await gateway.restart();
  expect([await modelOf(kid.id), await modelOf(raised.id), await modelOf(given.id)]).toEqual([
    "usual",
    "usual",
    "gold",
  ]);

  expect((await admin("GET", `/api/accounts/${raised.id}`)).body).toMatchObject({
    metadata: { tier: "gold", owner: "ops" },
    metadataBelow: ["tier"],
  });
  // The form says all terms again, as whoever reads them and writes them back: that is not to set this one.
  const session = await operatorSession(gateway);
  const path = `/dashboard/accounts/${kid.id}`;
  expect((await page(gateway, path, session.cookie)).text).toContain("no alias goes by it");
  const fields = { part: "terms", metadata: "team=ads, tier=gold", models: "fast" };
  expect((await form(gateway, path, fields, session)).status).toBe(303);
  expect(await modelOf(kid.id)).toBe("usual");

  // Those above may mean the very same.
  for (const metadata of [{ team: "ads" }, { team: "ads", tier: "gold" }])
    await admin("PATCH", `/api/accounts/${kid.id}`, { metadata });
  expect((await admin("GET", `/api/accounts/${kid.id}`)).body).toMatchObject({ metadataBelow: [] });
  expect(await modelOf(kid.id)).toBe("gold");
  await invariants(setup);
});
