import { expect, test } from "bun:test";
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { configFileOf } from "../support/config-file.ts";
import { until } from "../support/poll.ts";
import { startGateway } from "../support/process.ts";

test("a plugin's file that never ends being imported does not keep the process from its end", async () => {
  const gateway = await startGateway({ config: "provider: { echo: {} }" });
  try {
    const reached = join(gateway.directory, "reached");
    writeFileSync(
      join(gateway.directory, "hanging.ts"),
      `import { writeFileSync } from "node:fs";\nwriteFileSync(${JSON.stringify(reached)}, "");\nawait new Promise(() => {});\n`,
    );
    configFileOf(gateway).write("provider: { echo: {}, hanging: { use: ./hanging.ts } }");
    void gateway.admin("POST", "/api/config/reload").catch(() => {});
    await until("the import to begin", () => existsSync(reached));
    expect(await gateway.stop()).toBe(0);
  } finally {
    await gateway.dispose();
  }
}, 30_000);
