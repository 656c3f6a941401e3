import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { agents } from "../agents/agents.ts";
import { root } from "./sources.ts";

/** What the README tells users of agents is what `bun run test:agents` runs them with. */
const section =
  readFileSync(join(root, "README.md"), "utf8").split("\n### Coding agents\n")[1]?.split("\n## ")[0] ?? "";
const to = { url: "http://localhost:8787", key: "sk-llmp-…", model: "anthropic/claude-opus-4-5" };

/** The part about an agent, and the code blocks in it. */
function told(name: string) {
  const text = section.split("\n**").find((part) => part.startsWith(`${name}**`)) ?? "";
  return { text, blocks: [...text.matchAll(/^```\w+\n([\s\S]*?)^```/gm)].map(([, block = ""]) => block) };
}
const agent = (name: string) => {
  const found = agents.find((one) => one.name.startsWith(name));
  if (!found) throw new Error(`no ${name}`);
  return found;
};

describe("the README's snippet", () => {
  test.each(["Claude Code", "Codex", "Gemini CLI", "opencode"])("of %s is for the version that is run", (name) => {
    expect(told(name).text).toStartWith(`${name}** ${agent(name).install.split("@").at(-1)}`);
  });

  test.each(["Claude Code", "Gemini CLI"])("of %s sets each variable that is set", (name) => {
    const code = told(name).blocks.join("\n");
    for (const [variable, value] of Object.entries(agent(name).environment?.(to) ?? {})) {
      if (variable === "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC") continue;
      if (value === to.model) expect(code).toContain(`${variable}=`);
      else expect(code).toContain(`${variable}=${value}`);
    }
  });

  test("of Codex is its file", () => {
    expect(told("Codex").blocks).toEqual([agent("Codex").files?.(to)[".codex/config.toml"] ?? ""]);
  });

  test("of opencode has the provider of its files, and names every package", () => {
    const model = "fast";
    const { text, blocks } = told("opencode");
    const shown: unknown = JSON.parse(blocks[0] ?? "");
    const [first, ...others] = agents.filter(({ name }) => name.startsWith("opencode"));
    const run: { provider: unknown } = JSON.parse(
      first?.files?.({ ...to, model })[".config/opencode/opencode.json"] ?? "",
    );
    expect(shown).toEqual({ provider: run.provider });
    for (const { name } of others) expect(text).toContain(name.replace("opencode, ", "`"));
  });
});
