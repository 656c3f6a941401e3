import type { Dialect } from "../../core/dialects/dialect.ts";
import { dialects } from "../../core/dialects/index.ts";
import { matrixRows, type Outcome, type Translate } from "./matrix.ts";

const signs: Readonly<Record<Outcome, string>> = {
  carried: "✓",
  warned: "w",
  refused: "✗",
  "no word": "·",
  lost: "LOST",
};

const letters = new Map([
  ["openai-chat", "C"],
  ["openai-responses", "R"],
  ["anthropic-messages", "A"],
  ["gemini", "G"],
]);

/** Every combination of a client and a target, clients in the outer order. */
export const combinations = (): readonly (readonly [client: Dialect, target: Dialect])[] => {
  const all = [...dialects.values()];
  return all.flatMap((client) => all.map((target) => [client, target] as const));
};

/** The matrix as a Markdown table, with its key. */
export async function matrixTable(translate: Translate): Promise<string> {
  const pairs = combinations();
  const heads = pairs.map(([client, target]) => `${letters.get(client.name)}→${letters.get(target.name)}`);
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  const lines = { request: [] as string[], answer: [] as string[] };
  for (const row of matrixRows(translate)) {
    const outcomes = await Promise.all(pairs.map(([client, target]) => row.outcome(client, target)));
    lines[row.side].push(line([row.feature, ...outcomes.map((outcome) => signs[outcome])]));
  }
  const section = (title: string) => line([`**${title}**`, ...heads.map(() => "")]);
  return [
    "Client → target: C `openai-chat`, R `openai-responses`, A `anthropic-messages`, G `gemini`. " +
      "✓ carried · w left out or changed, and named in `x-llm-proxy-warnings` · ✗ refused with 400 · " +
      "· one of the two has no word for it.",
    "",
    line(["", ...heads]),
    line(["---", ...heads.map(() => ":-:")]),
    section("requests"),
    ...lines.request,
    section("answers"),
    ...lines.answer,
  ].join("\n");
}
