import { afterAll, beforeAll, expect, test } from "bun:test";
import { type Gateway, startGateway } from "../support/process.ts";

/** Guessing passwords from one address: nothing is learned from the time, and little is tried. */
let gateway: Gateway;
beforeAll(async () => {
  gateway = await startGateway({});
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

async function login(fields: Readonly<Record<string, string>>) {
  const startMs = performance.now();
  const { status } = await fetch(`${gateway.url}/dashboard/login`, {
    method: "POST",
    redirect: "manual",
    headers: { origin: gateway.url },
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
