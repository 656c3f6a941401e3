import { copyFileSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { call, chat } from "../support/clients.ts";
import { runCommand } from "../support/command.ts";
import { invariants } from "../support/invariants.ts";
import { answers } from "../support/openai-answers.ts";
import { until } from "../support/poll.ts";
import { startGateway } from "../support/process.ts";
import { allUsage } from "../support/rows.ts";
import { type Setup, setUp } from "../support/setup.ts";
import { isAcknowledged, lost, underLoad, usage } from "./load.ts";
import { doctor, neverShed, type Soak } from "./soak.ts";

/** A copy each second under load; each is restored as the README says, proves clean, and serves with the same keys. */
export const backup: Soak = async ({ count, print }) => {
  const setup = await setUp({
    config: `server: { ${neverShed} }`,
    key: { name: "copied", budget: { usd: 1_000_000, window: "month" } },
  });
  try {
    setup.upstream.on("fast", answers(usage));
    const load = underLoad(setup, { lanes: 8 });
    const broken: string[] = [];
    const copies: { readonly file: string; readonly before: readonly string[] }[] = [];
    for (let at = 0; at < count; at += 1) {
      const enough = load.acknowledged.length + 50;
      await until("some load", () => load.acknowledged.length >= enough, { deadlineMs: 30_000 });
      const file = join(setup.gateway.directory, `copy-${at}.db`);
      const before = [...load.acknowledged];
      const { code, stderr } = await runCommand(setup.gateway, ["backup", file]);
      if (code !== 0) broken.push(`backup ends with ${code}: ${stderr}`);
      else copies.push({ file, before });
    }
    await load.stop();
    await invariants(setup);
    broken.push(...lost(setup, load.acknowledged));
    let rows = 0;
    for (const copy of copies) {
      const restored = await restore(setup, copy);
      rows = restored.rows;
      broken.push(...restored.broken);
    }
    print(`${copies.length} copies under load, the last with ${rows} of ${allUsage(setup.gateway).length} calls`);
    return broken;
  } finally {
    await setup.stop();
  }
};

/** By the words of the README: the copy in the place of the database, with the file `secret` beside it. */
async function restore(
  { gateway, upstream, key }: Setup,
  { file, before }: { readonly file: string; readonly before: readonly string[] },
): Promise<{ readonly rows: number; readonly broken: readonly string[] }> {
  const config = [
    "provider:",
    `  mock: { use: openai-compatible, baseUrl: "${upstream.baseUrl}", apiKey: "sk-restored" }`,
    "prices:",
    "  - { target: mock/*, input: 1, output: 2 }",
    "",
  ].join("\n");
  const data = `${file}.data`;
  mkdirSync(data, { mode: 0o700 });
  copyFileSync(file, join(data, "llm-proxy.db"));
  copyFileSync(join(gateway.dataDir, "secret"), join(data, "secret"));
  const restored = await startGateway({ config, env: { LLM_PROXY_DATA: data } });
  try {
    const { ok, usage: reported } = await figures(restored);
    const reply = await call(restored, key.key, chat("mock/fast", { max_completion_tokens: 50 }));
    const after = await doctor(restored);
    const missing = before.filter((id) => !reported.has(id));
    return {
      rows: reported.size,
      broken: [
        ...ok,
        ...after,
        ...(missing.length > 0 ? [`${missing.length} calls from before the copy are not in it`] : []),
        ...(isAcknowledged(reply, false) ? [] : [`the restored proxy answers ${reply.status}: ${reply.text}`]),
      ],
    };
  } finally {
    await restored.dispose();
  }
}

async function figures(restored: Awaited<ReturnType<typeof startGateway>>) {
  const { data } = await restored.admin<{ data: { callId: string }[] }>("GET", "/api/calls?limit=1");
  const found = data.length > 0 ? [] : ["the restored proxy shows no call"];
  const { stdout } = await runCommand(restored, ["doctor", "--json"]);
  const text = await (
    await restored.get("/api/calls/export?format=jsonl", { authorization: `Bearer ${restored.adminToken}` })
  )?.text();
  const ids = [...(text ?? "").matchAll(/"call_?[iI]d":"([^"]+)"/g)].map((match) => match[1] ?? "");
  return {
    ok: [...found, ...(JSON.parse(stdout).ok === true ? [] : [`doctor of a copy: ${stdout}`])],
    usage: new Set(ids),
  };
}
