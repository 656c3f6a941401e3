import { expect, test } from "bun:test";
import { cpSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { call, chat } from "../support/clients.ts";
import { runCommand } from "../support/command.ts";
import { invariants } from "../support/invariants.ts";
import { answers } from "../support/openai-answers.ts";
import { setUp } from "../support/setup.ts";

const [first, second, third] = ["first", "second", "third"].map(
  (name) => `${name}-master-secret-${crypto.randomUUID()}`,
);

test("the master secret changes: keys of clients and providers go on, sessions end, the old secret is needed once", async () => {
  const env: Record<string, string | undefined> = { LLM_PROXY_SECRET: first };
  const setup = await setUp({ env });
  const { gateway, upstream } = setup;
  for (const secret of [first, second, third]) gateway.secrets.add(secret ?? "");
  const stored = `sk-stored-canary-${crypto.randomUUID()}`;
  gateway.secrets.add(stored);
  upstream.on("ok", answers());
  const works = async () => {
    expect((await call(gateway, setup.key.key, chat("mock/ok"))).status).toBe(200);
    expect(upstream.log.at(-1)?.request.headers["authorization"]).toBe(`Bearer ${stored}`);
  };
  const sealed = () => gateway.sql<{ sealed: Uint8Array }>("select sealed from credentials")[0]?.sealed ?? null;
  const signIn = async () => {
    const response = await fetch(`${gateway.url}/dashboard/login`, {
      method: "POST",
      headers: { origin: gateway.url, "sec-fetch-site": "same-origin" },
      body: new URLSearchParams({ token: gateway.adminToken }),
      redirect: "manual",
    });
    return response.headers.get("set-cookie")?.split(";")[0] ?? "";
  };
  const isIn = async (cookie: string) =>
    (await fetch(`${gateway.url}/dashboard/keys`, { headers: { cookie }, redirect: "manual" })).status === 200;
  try {
    await gateway.admin("POST", "/api/providers/mock/credentials", { apiKey: stored });
    await works();
    const cookie = await signIn();
    expect(await isIn(cookie)).toBe(true);
    const before = sealed();
    await gateway.stop();

    // The new secret alone opens nothing, and nothing is changed by the attempt.
    const files = () => ({ sealed: sealed(), settings: gateway.sql("select * from settings order by 1") });
    const untouched = files();
    const refused = await runCommand(gateway, [], { LLM_PROXY_SECRET: second });
    expect(refused.code).toBe(1);
    expect(refused.stderr).toContain("LLM_PROXY_SECRET_PREVIOUS");
    expect(refused.stderr).not.toMatch(/\n\s+at /);
    expect((await runCommand(gateway, [], { LLM_PROXY_SECRET: second, LLM_PROXY_SECRET_PREVIOUS: third })).code).toBe(
      1,
    );
    expect(files()).toEqual(untouched);
    cpSync(gateway.dataDir, join(gateway.directory, "copy"), { recursive: true });

    Object.assign(env, { LLM_PROXY_SECRET: second, LLM_PROXY_SECRET_PREVIOUS: first });
    await gateway.start();
    await works();
    expect(sealed()).not.toEqual(before);
    expect(await isIn(cookie)).toBe(false);
    const again = await signIn();

    Object.assign(env, { LLM_PROXY_SECRET_PREVIOUS: undefined });
    await gateway.restart();
    await works();
    expect(await isIn(again)).toBe(true);

    Object.assign(env, { LLM_PROXY_SECRET: third, LLM_PROXY_SECRET_PREVIOUS: second });
    await gateway.restart();
    // Left set, it does no harm.
    await gateway.restart();
    await works();
    await gateway.stop();
    expect((await runCommand(gateway, [], { LLM_PROXY_SECRET: first })).code).toBe(1);

    const folders = [gateway.dataDir, join(gateway.directory, "copy")];
    const bytes = folders.flatMap((folder) =>
      readdirSync(folder).map((name) => readFileSync(join(folder, name), "latin1")),
    );
    for (const text of [...bytes, gateway.log()])
      for (const secret of [stored, first, second, third]) expect(text).not.toContain(secret ?? "-");
    await gateway.start();
    await invariants(setup);
  } finally {
    await setup.stop();
  }
}, 120_000);

test("a file `secret` that is replaced takes the one before it from the environment", async () => {
  const env: Record<string, string | undefined> = {};
  const setup = await setUp({ env });
  const { gateway } = setup;
  try {
    await gateway.stop();
    const path = join(gateway.dataDir, "secret");
    Object.assign(env, { LLM_PROXY_SECRET_PREVIOUS: readFileSync(path, "utf8").trim() });
    writeFileSync(path, `${second}\n`);
    await gateway.start();
    expect((await call(gateway, setup.key.key, chat("echo"))).status).toBe(200);
  } finally {
    await setup.stop();
  }
}, 60_000);
