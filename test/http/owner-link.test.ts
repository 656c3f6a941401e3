import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { runCommand } from "../support/command.ts";
import { type Gateway, startGateway } from "../support/process.ts";

/** The link of the first start, where people were invited before anybody used it. */
let gateway: Gateway;
beforeAll(async () => {
  gateway = await startGateway({});
  await gateway.admin("POST", "/api/people", { email: "known@example.com", name: "K", role: "viewer" });
}, 30_000);
afterAll(() => gateway.dispose());

interface Fields {
  readonly token: string;
  readonly email: string;
  readonly password?: string;
}

async function enter(fields: Fields, { url }: Gateway = gateway) {
  const response = await fetch(`${url}/dashboard/login`, {
    method: "POST",
    redirect: "manual",
    headers: { origin: url },
    body: new URLSearchParams({ password: "correct horse battery", ...fields }),
  });
  return { status: response.status, text: (await response.text()).replaceAll(fields.email, "") };
}
const linkOf = (started: Gateway): string => /dashboard\/login\?token=([\w-]+)/.exec(started.log())?.[1] ?? "";

test("only who has the link is told that an address is taken; a guess of it is a failed login like any other", async () => {
  const link = linkOf(gateway);
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

describe("the link that nobody used ends", () => {
  let started: Gateway;
  beforeEach(async () => {
    started = await startGateway({});
  });
  afterEach(() => started.dispose());
  const statuses = async () => {
    const token = linkOf(started);
    const asOperator = await enter({ token, email: "", password: "" }, started);
    return [asOperator.status, (await enter({ token, email: "eve@example.com" }, started)).status];
  };

  test("with a new admin token", async () => {
    expect((await runCommand(started, ["admin-token", "--new"])).code).toBe(0);
    expect(await statuses()).toEqual([401, 401]);
  });

  test("once an owner of the whole can sign in, and not with any other who can", async () => {
    type Invited = { readonly link: { readonly url: string } };
    async function join(email: string, person: Readonly<Record<string, unknown>>) {
      const { link } = await started.admin<Invited>("POST", "/api/people", { email, name: "A", ...person });
      const token = new URL(link.url).searchParams.get("token") ?? "";
      expect((await enter({ token, email: "" }, started)).status).toBe(303);
    }
    await join("admin@example.com", { role: "admin" });
    await join("tenant@example.com", { role: "owner", accountId: "default" });
    // An address that is taken: the link is looked at, and stays whole.
    const taken = () => enter({ token: linkOf(started), email: "admin@example.com" }, started);
    expect((await taken()).status).toBe(422);
    await join("owner@example.com", { role: "owner" });
    expect([...(await statuses()), (await taken()).status]).toEqual([401, 401, 401]);
  });
});
