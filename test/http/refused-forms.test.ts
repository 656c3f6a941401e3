import { afterAll, beforeAll, expect, test } from "bun:test";
import { type Gateway, startGateway } from "../support/process.ts";
import { api, form, operatorSession } from "../support/visits.ts";

/** What is wrong with what was typed, by the labels that stand in the form. */
let gateway: Gateway;
beforeAll(async () => {
  gateway = await startGateway({});
}, 30_000);
afterAll(() => gateway.dispose());

const target = "echo/m";

test.each([
  ["keys", { name: "\u200B" }, "Name: expected 1 to 100 characters"],
  ["keys", { name: "k", usd: "x" }, "Budget in USD: expected an amount"],
  ["prices", { target, input: "1", output: "1", cacheRead: "-1" }, "Read from cache: expected a decimal ≥ 0"],
  ["prices", { target, input: "1", output: "1", "most.image": "few" }, "Most images a call: expected"],
  ["prices", { target, input: "1", output: "1", "long.above": "9", "long.input": "x" }, "Long, input: expected"],
  ["prices", { target, input: "1", output: "1", "batch.input": "1" }, "Batch, output: missing"],
  [
    "prices",
    { target, input: "1", output: "1", image: "1" },
    "USD per image: has a price, and Most images a call does not say how many a call can use",
  ],
  ["prices", { target, withdraw: "yes", input: "1" }, "Instead of prices: the entry sets prices"],
  ["accounts", { name: "a", parentId: "gone" }, "Under: no such object"],
  ["ledger/credits", { accountId: "gone", usd: "1" }, "Account: no such object"],
  ["limits", { kind: "global", measure: "requests", amount: "9999999999" }, "At most: expected"],
])("of %s with %j", async (page, fields, message) => {
  const refused = await form(gateway, `/dashboard/${page}`, fields, await operatorSession(gateway));
  expect([refused.status, refused.text]).toEqual([422, expect.stringContaining(message)]);
});

test("of an invitation", async () => {
  const person = { email: "bea@example.com", name: "Bea", role: "viewer" };
  const { body } = await api(gateway, "POST", "/api/people", person);
  const token = new URL(body.link.url).searchParams.get("token") ?? "";
  const refused = await form(gateway, "/dashboard/login", { token, password: "short" });
  expect([refused.status, refused.text]).toEqual([422, expect.stringContaining("Password: 12 to 256 characters")]);
});
