import { readFileSync, writeFileSync } from "node:fs";
import { translation } from "../support/translated.ts";
import { matrixTable } from "./matrix-table.ts";

/**
 * `bun test/contract/matrix-main.ts [--write]`: prints what becomes of each feature between each client and each target,
 * and with `--write` puts it into README.md.
 */
const readme = new URL("../../README.md", import.meta.url);
const start = "<!-- matrix:start -->";
const end = "<!-- matrix:end -->";

const table = await matrixTable(translation);
if (process.argv.includes("--write")) {
  const [before = "", rest = ""] = readFileSync(readme, "utf8").split(start);
  const after = rest.split(end)[1] ?? "";
  writeFileSync(readme, `${before}${start}\n\n${table}\n\n${end}${after}`);
} else console.log(table);
