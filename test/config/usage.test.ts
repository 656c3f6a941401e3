import { expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { join } from "node:path";

test.each([
  [["chek"], 'no command "chek" (did you mean "check"?)'],
  [["toString"], 'no command "toString"'],
  [["check", "--confg", "x"], "Unknown option '--confg'"],
  [["check", "now"], 'check takes no "now"'],
  [["migrate", "--dry-run"], "migrate takes no --dry-run"],
  [["plan", "--repair"], "plan takes no --repair"],
  [["reprice", "--from", "0", "--compact"], "reprice takes no --compact"],
])("%p is answered with what is wrong, and the usage", (args, message) => {
  const main = join(import.meta.dir, "../../core/main.ts");
  const { status, stderr } = spawnSync(process.execPath, [main, ...args], { encoding: "utf8" });
  const [first, second] = stderr.split("\n");
  expect([status, first, second]).toEqual([
    2,
    expect.stringContaining(message),
    "usage: llm-proxy [COMMAND] [OPTIONS]",
  ]);
});
