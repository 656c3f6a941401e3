import { afterAll, beforeAll, expect, test } from "bun:test";
import { type Gateway, startGateway } from "../support/process.ts";

/** Guessing passwords from one address: nothing is learned from the time, and little is tried. */
let gateway: Gateway;
beforeAll(async () => {
  gateway = await startGateway({ config: "server: { trustedProxies: [127.0.0.1] }" });
  const invited = await fetch(`${gateway.url}/api/people`, {
    method: "POST",
    headers: { authorization: `Bearer ${gateway.adminToken}`, "content-type": "application/json" },
    body: JSON.stringify({ email: "ada@example.com", name: "Ada", role: "viewer" }),
  });
  const { link } = await invited.json();
  const token = new URL(link.url).searchParams.get("token") ?? "";
  expect((await login({ token, password: "correct horse battery" })).status).toBe(303);
}, 30_000);
afterAll(() => gateway.dispose());

async function login(fields: Readonly<Record<string, string>>, from?: string) {
  const startMs = performance.now();
  const { status } = await fetch(`${gateway.url}/dashboard/login`, {
    method: "POST",
    redirect: "manual",
    headers: { origin: gateway.url, ...(from !== undefined && { "x-forwarded-for": from }) },
    body: new URLSearchParams(fields),
  });
  return { status, tookMs: performance.now() - startMs };
}

test("an address that nobody has takes as long as a wrong password; after ten tries both wait", async () => {
  const known: number[] = [];
  const unknown: number[] = [];
  for (let round = 0; round < 5; round++)
    for (const [email, times] of [
      ["ada@example.com", known],
      ["nobody@example.com", unknown],
    ] as const) {
      const { status, tookMs } = await login({ email, password: "staple correct horse" });
      expect(status).toBe(401);
      times.push(tookMs);
    }
  // Without a hash to check it would take a few milliseconds; a loaded machine is uneven, so the least of each counts.
  expect(Math.min(...unknown)).toBeGreaterThan(Math.min(...known) / 3);
  expect(Math.min(...known)).toBeGreaterThan(Math.min(...unknown) / 3);

  for (const email of ["ada@example.com", "nobody@example.com"])
    expect((await login({ email, password: "correct horse battery" })).status).toBe(429);
}, 60_000);

test("the addresses that one network of IPv6 can choose from wait together; the log has the address itself", async () => {
  const { key } = await gateway.createKey();
  const guess = async (from: string) => (await login({ token: "guess" }, from)).status;
  const enter = async (from: string) => (await login({ key }, from)).status;
  for (let at = 1; at <= 9; at++) expect(await guess(`2001:db8:1:2::a:${at}`)).toBe(401);
  // What succeeds does not count, from whichever address of the network.
  for (let at = 1; at <= 3; at++) expect(await enter(`2001:db8:1:2::b:${at}`)).toBe(303);
  expect([await guess("2001:db8:1:2::c:1"), await guess("2001:db8:1:2::c:2")]).toEqual([401, 429]);
  expect(await guess("2001:db8:1:3::1")).toBe(401);

  type Entries = { readonly data: readonly { readonly address: string }[] };
  const { data } = await gateway.admin<Entries>("GET", "/api/audit?action=login.fail");
  expect(data.map(({ address }) => address)).toContain("2001:db8:1:2::a:1");
}, 30_000);
