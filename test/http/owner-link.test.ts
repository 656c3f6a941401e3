import { afterAll, beforeAll, expect, test } from "bun:test";
import { type Gateway, startGateway } from "../support/process.ts";

/** The link of the first start, where people were invited before anybody used it. */
let gateway: Gateway;
beforeAll(async () => {
  gateway = await startGateway({});
  await gateway.admin("POST", "/api/people", { email: "known@example.com", name: "K", role: "viewer" });
}, 30_000);
afterAll(() => gateway.dispose());

async function enter(fields: { readonly token: string; readonly email: string; readonly password?: string }) {
  const response = await fetch(`${gateway.url}/dashboard/login`, {
    method: "POST",
    redirect: "manual",
    headers: { origin: gateway.url },
    body: new URLSearchParams({ password: "correct horse battery", ...fields }),
  });
  return { status: response.status, text: (await response.text()).replaceAll(fields.email, "") };
}

test("only who has the link is told that an address is taken; a guess of it is a failed login like any other", async () => {
  const link = /dashboard\/login\?token=([\w-]+)/.exec(gateway.log())?.[1] ?? "";
  const owner = await enter({ token: link, email: "known@example.com" });
  expect([owner.status, owner.text]).toEqual([422, expect.stringContaining("somebody has this address already")]);

  const unknown = await enter({ token: "guess", email: "nobody@example.com" });
  expect(unknown.status).toBe(401);
  expect(await enter({ token: "guess", email: "known@example.com" })).toEqual(unknown);
  expect(await enter({ token: "guess", email: "known@example.com", password: "short" })).toEqual(unknown);
  expect(await enter({ token: "guess", email: "no address" })).toEqual(unknown);
  for (let round = 0; round < 6; round++)
    expect((await enter({ token: "guess", email: "known@example.com" })).status).toBe(401);
  expect((await enter({ token: "guess", email: "known@example.com" })).status).toBe(429);

  // What comes often is summed up, and the sum written down at the end.
  await gateway.restart();
  type Entries = { readonly data: readonly { readonly times: number }[] };
  const { data } = await gateway.admin<Entries>("GET", "/api/audit?action=login.fail");
  expect(data.map(({ times }) => times)).toEqual([10, 1]);

  expect((await enter({ token: link, email: "owner@example.com" })).status).toBe(303);
}, 30_000);
