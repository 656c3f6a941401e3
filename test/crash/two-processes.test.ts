import { afterAll, beforeAll, expect, test } from "bun:test";
import { copyFileSync, mkdirSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { call, chat } from "../support/clients.ts";
import { runCommand } from "../support/command.ts";
import { invariants } from "../support/invariants.ts";
import { answers } from "../support/openai-answers.ts";
import { freePort } from "../support/process.ts";
import { type Setup, setUp } from "../support/setup.ts";

let setup: Setup;
beforeAll(async () => {
  setup = await setUp({ key: { name: "first", budget: { usd: 100, window: "lifetime" } } });
  setup.upstream.on("fast", answers());
});
afterAll(() => setup.stop());

/** Whatever a second one is refused for, the first serves on, and its books are its own. */
async function firstServes(): Promise<void> {
  expect((await call(setup.gateway, setup.key.key, chat("mock/fast", { max_completion_tokens: 50 }))).status).toBe(200);
  await invariants(setup);
}

test.each(["serve", "migrate"])("a second process on the same data folder is refused: %s", async (command) => {
  const { code, stderr } = await runCommand(setup.gateway, [command], { PORT: String(await freePort()) });
  expect([code, stderr]).toEqual([1, expect.stringContaining(`in use by process ${setup.gateway.pid}`)]);
  await firstServes();
});

test.each(["serve", "migrate", "doctor --repair"])("so is one that comes by a link to the file: %s", async (words) => {
  const command = words.split(" ");
  const data = join(setup.gateway.directory, command.join(""));
  mkdirSync(data);
  symlinkSync(join(setup.gateway.dataDir, "llm-proxy.db"), join(data, "llm-proxy.db"));
  copyFileSync(join(setup.gateway.dataDir, "secret"), join(data, "secret"));
  const env = { PORT: String(await freePort()), LLM_PROXY_DATA: data };
  const { code, stderr } = await runCommand(setup.gateway, command, env);
  expect([code, stderr]).toEqual([1, expect.stringContaining(`in use by process ${setup.gateway.pid}`)]);
  await firstServes();
});

test("a second process on the same port is refused, and leaves nothing open", async () => {
  const data = join(setup.gateway.directory, "other");
  const { code, stderr } = await runCommand(setup.gateway, ["serve"], { LLM_PROXY_DATA: data });
  expect([code, stderr]).toEqual([1, expect.stringContaining("the port is in use")]);
  await firstServes();
});

test("doctor --repair is refused while a process serves; doctor and backup are not", async () => {
  const repair = await runCommand(setup.gateway, ["doctor", "--repair"]);
  expect([repair.code, repair.stderr]).toEqual([1, expect.stringContaining("in use by process")]);
  expect((await runCommand(setup.gateway, ["doctor"])).code).toBe(0);
  expect((await runCommand(setup.gateway, ["doctor", "beside"])).code).toBe(2);
  expect((await runCommand(setup.gateway, ["backup"])).code).toBe(2);
  expect((await runCommand(setup.gateway, ["backup", "one", "two"])).code).toBe(2);
  await firstServes();
});
