import { root } from "./sources.ts";

/**
 * Known vulnerabilities, by the registry's advisories: of any severity in what ships, from `high` on in the tools.
 * Exits 1 when there are some. A registry without the endpoint (mirrors, proxies) is named and skipped.
 */
const audits = [["--production"], ["--audit-level=high"]] as const;
let failed = false;

for (const flags of audits) {
  const { exitCode, stdout, stderr } = Bun.spawnSync([process.execPath, "audit", ...flags], { cwd: root });
  const output = `${stdout.toString()}${stderr.toString()}`.trim();
  if (/advisories\/bulk - (404|405)\b/.test(output)) {
    console.log("skipped: the registry has no audit endpoint");
    break;
  }
  console.log(`bun audit ${flags.join(" ")}\n${output}`);
  failed ||= exitCode !== 0;
}

process.exit(failed ? 1 : 0);
