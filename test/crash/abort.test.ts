import { afterAll, expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { call, chat } from "../support/clients.ts";
import { invariants } from "../support/invariants.ts";
import { answers } from "../support/openai-answers.ts";
import { until } from "../support/poll.ts";
import { hang } from "../support/scripts.ts";
import { setUp } from "../support/setup.ts";

/** Battery 143: what a process that aborts leaves behind says nothing that is a secret. */
const masterSecret = `master-canary-${crypto.randomUUID()}`;
const setup = await setUp({ env: { LLM_PROXY_SECRET: masterSecret } });
const { gateway, upstream } = setup;
afterAll(() => setup.stop());

test("a crash by SIGABRT in the middle of a call: no secret in what it prints, no core file, and the books hold", async () => {
  upstream.on("ok", answers());
  upstream.on("hang", hang);
  expect((await call(gateway, setup.key.key, chat("mock/ok"))).status).toBe(200);
  const cut = call(gateway, setup.key.key, chat("mock/hang")).catch(() => null);
  await until("it is upstream", () => upstream.log.some(({ model }) => model === "hang"));
  expect(readFileSync(`/proc/${gateway.pid}/cmdline`, "utf8")).not.toContain(masterSecret);
  process.kill(gateway.pid, "SIGABRT");
  await gateway.exited();
  await cut;
  const log = gateway.log();
  for (const secret of [...gateway.secrets, masterSecret, setup.key.key]) expect(log).not.toContain(secret);
  expect(log).not.toMatch(/LLM_PROXY_(?:SECRET|ADMIN_TOKEN)=/);
  const root = join(import.meta.dir, "..", "..");
  const left = [root, gateway.directory, gateway.dataDir].flatMap((folder) =>
    readdirSync(folder, { withFileTypes: true }),
  );
  // Our sources have a folder of that name.
  expect(left.filter((entry) => entry.isFile() && /^core(?:\.\d+)?$/.test(entry.name))).toEqual([]);
  await gateway.start();
  await invariants(setup, { killed: true });
}, 30_000);
