import { expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { until } from "../support/poll.ts";
import { Gateway, freePort } from "../support/process.ts";

const asFirst = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"] as const;
const [unshare, ...words] = asFirst;
const mayUnshare = spawnSync(unshare, [...words, "true"]).status === 0;

// Only root, and not in every container.
test.skipIf(!mayUnshare)(
  "the first process of a container that is told to end while it starts ends",
  async () => {
    const gateway = new Gateway(await freePort(), {
      config: "provider: { echo: {} }\nobserver: { slow: { use: ./slow.ts } }\n",
      wrapper: asFirst,
    });
    const begun = join(gateway.directory, "begun");
    writeFileSync(
      join(gateway.directory, "slow.ts"),
      `import { writeFileSync } from "node:fs";
      import { definePlugin, t } from "llm-proxy/plugin";
      export default definePlugin({
        kind: "observer", name: "slow", api: 1, description: "never ready", config: t.Object({}),
        setup() {
          writeFileSync(${JSON.stringify(begun)}, "");
          return new Promise(() => {});
        },
      });`,
    );
    try {
      gateway.spawn();
      await until("its plugins are set up", () => existsSync(begun));
      const [first] = readFileSync(`/proc/${gateway.pid}/task/${gateway.pid}/children`, "utf8").trim().split(" ");
      process.kill(Number(first), "SIGTERM");
      expect(await gateway.exited()).toBe(143);
      expect(gateway.log()).not.toContain('"msg":"ready"');
    } finally {
      await gateway.dispose();
    }
  },
  30_000,
);
