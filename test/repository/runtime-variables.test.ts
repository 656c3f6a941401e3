import { expect, test } from "bun:test";
import { join } from "node:path";
import { runtimeVariables } from "../support/runtime-variables.ts";
import { root } from "./sources.ts";

const textOf = (path: string): Promise<string> => Bun.file(join(root, path)).text();
const { scripts } = (await Bun.file(join(root, "package.json")).json()) as { scripts: Record<string, string> };
const readme = await textOf("README.md");

const places = {
  "bun run start": scripts["start"],
  "bun run dev": scripts["dev"],
  "the image": await textOf("Dockerfile"),
  "the service file of the README": /^\[Service\]\n([^]*?)^\[/m.exec(readme)?.[1],
};

test.each(Object.entries(places))("%s sets the variables of the runtime", (_, text) => {
  for (const [name, value] of Object.entries(runtimeVariables))
    expect(Array.from(text?.matchAll(new RegExp(`\\b${name}=(\\w+)`, "g")) ?? [], ([, set]) => set)).toEqual([value]);
});

test("the README says of each what it does", () => {
  for (const name of Object.keys(runtimeVariables)) expect(readme).toContain(`\`${name}\`: `);
});
