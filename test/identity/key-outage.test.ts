import { Database as Client } from "bun:sqlite";
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { join } from "node:path";
import { makeKey } from "../../core/identity/key-format.ts";
import { call, chat } from "../support/clients.ts";
import { invariants } from "../support/invariants.ts";
import { answers } from "../support/openai-answers.ts";
import { eachOf } from "../support/poll.ts";
import { type Setup, setUp } from "../support/setup.ts";

let setup: Setup;
beforeAll(async () => {
  // What strangers may try is a matter of its own.
  setup = await setUp({ config: "limits: [{ scope: { kind: ip }, requestsPerMinute: 1000000 }]" });
  setup.upstream.on("ok", answers());
});
afterAll(() => setup.stop());

const status = async (key: string) => (await call(setup.gateway, key, chat("mock/ok"))).status;

describe("keys whose table cannot be read (016)", () => {
  test("unknown and cold ones get 503, warm ones are served, one that was revoked before is refused; then all heals", async () => {
    const [warm, cold, revoked] = [
      setup.key,
      await setup.gateway.createKey({ name: "cold" }),
      await setup.gateway.createKey({ name: "revoked" }),
    ];
    expect([await status(warm.key), await status(revoked.key)]).toEqual([200, 200]);
    await setup.gateway.admin("DELETE", `/api/keys/${revoked.id}`);
    expect(await status(revoked.key)).toBe(401);
    const unknown = makeKey().key;

    const heal = hideKeys(join(setup.gateway.dataDir, "llm-proxy.db"));
    try {
      for (let time = 0; time < 3; time++) {
        expect(await status(unknown)).toBe(503);
        expect(await status(cold.key)).toBe(503);
        expect(await status(warm.key)).toBe(200);
        expect(await status(revoked.key)).not.toBe(200);
      }
    } finally {
      heal();
    }
    expect([await status(unknown), await status(cold.key), await status(revoked.key)]).toEqual([401, 200, 401]);
    await invariants(setup);
  });
});

describe("keys that nobody has (015)", () => {
  test("are not remembered: 20,000 of them leave the memory as it was, and a good key passes", async () => {
    const send = (count: number) =>
      eachOf([...Array(count).keys()], 32, async () => {
        const response = await setup.gateway.get("/v1/models", { authorization: `Bearer ${makeKey().key}` });
        await response?.arrayBuffer();
        return response?.status;
      });
    await send(5_000);
    const before = await memory();
    // The first are told so; the rest are too many from one address.
    for (const each of new Set(await send(20_000))) expect([401, 429]).toContain(each ?? 0);
    // A remembered one would be some 500 bytes, so 10 MB of these; what the collector leaves lying about is less.
    expect((await memory()) - before).toBeLessThan(20 * 1024 * 1024);
    expect(await status(setup.key.key)).toBe(200);
  }, 60_000);
});

/** Resident memory of the process, in bytes. */
async function memory(): Promise<number> {
  const text = await Bun.file(`/proc/${setup.gateway.pid}/status`).text();
  return Number(/VmRSS:\s+(\d+)/.exec(text)?.[1] ?? Number.NaN) * 1_024;
}

/** From now on each read of the table of keys fails, until what it returns is called. */
function hideKeys(path: string): () => void {
  const rename = (from: string, to: string) => {
    const client = new Client(path);
    // Without it, what refers to the table would follow its name.
    client.run("pragma legacy_alter_table = on");
    client.run("pragma busy_timeout = 5000");
    client.run(`alter table ${from} rename to ${to}`);
    client.close();
  };
  rename("keys", "keys_away");
  return () => rename("keys_away", "keys");
}
