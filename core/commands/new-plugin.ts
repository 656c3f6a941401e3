import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { didYouMean } from "../config/nearest.ts";
import type { Command, CommandInput } from "./command.ts";
import { pluginTemplates } from "./plugin-templates.ts";

/**
 * Writes the first version of a plugin and its test: `new-plugin KIND NAME`. In a checkout of this repository it becomes a
 * built-in, with its line in `plugins/index.ts`; elsewhere it is a file beside the config. Overwrites nothing.
 */
export const newPlugin: Command = async (input) => {
  const [kind = "", name = "", ...more] = input.words;
  const fault = more.length > 0 || name === "" ? usage : wordsFault(kind, name);
  if (fault !== null) {
    input.printError(fault);
    return 2;
  }
  const template = templateOf(kind);
  if (!template) return 2;
  const place = placeOf(kind, name);
  const taken = takenBy(place, kind, name, input);
  if (taken !== null) {
    input.printError(`${taken}; nothing was written`);
    return 1;
  }
  write(place.plugin, template.source(name));
  write(place.test, template.test(place.imported));
  if (place.index !== null) writeFileSync(place.index, withBuiltin(readFileSync(place.index, "utf8"), kind, name));

  const files = [place.plugin, place.test, ...(place.index === null ? [] : [place.index])];
  if (input.flags.json) input.print(JSON.stringify({ ok: true, files }));
  else for (const line of told(files, template.options.replace("NAME", name), { kind, name, place })) input.print(line);
  return 0;
};

const usage = `usage: new-plugin KIND NAME, where KIND is one of ${Object.keys(pluginTemplates).join(", ")}`;

const templateOf = (kind: string) => Object.entries(pluginTemplates).find(([known]) => known === kind)?.[1] ?? null;

function wordsFault(kind: string, name: string): string | null {
  if (!templateOf(kind))
    return `nothing to begin a "${kind}" with${didYouMean(kind, Object.keys(pluginTemplates))}\n${usage}`;
  return /^[a-z][a-z0-9]*(?:-[a-z0-9]+)*$/.test(name) && name.length <= 40
    ? null
    : "the name is kebab-case, of at most 40 letters, digits and hyphens, with a letter first";
}

interface Place {
  readonly plugin: string;
  readonly test: string;
  /** The plugin, as the test names it. */
  readonly imported: string;
  /** The list of built-ins; `null`: this is no checkout. */
  readonly index: string | null;
}

const listOfBuiltins = join("plugins", "index.ts");

const placeOf = (kind: string, name: string): Place =>
  isCheckout()
    ? {
        plugin: join("plugins", kind, `${name}.ts`),
        test: join("test", "plugins", kind, `${name}.test.ts`),
        imported: `../../../plugins/${kind}/${name}.ts`,
        index: listOfBuiltins,
      }
    : { plugin: `${name}.ts`, test: `${name}.test.ts`, imported: `./${name}.ts`, index: null };

function isCheckout(): boolean {
  try {
    const manifest: unknown = JSON.parse(readFileSync("package.json", "utf8"));
    const isOurs =
      typeof manifest === "object" && manifest !== null && "name" in manifest && manifest.name === "llm-proxy";
    return isOurs && existsSync(listOfBuiltins);
  } catch {
    return false;
  }
}

function takenBy(place: Place, kind: string, name: string, { builtins }: CommandInput): string | null {
  const file = [place.plugin, place.test].find((path) => existsSync(path));
  if (file !== undefined) return `${file} exists already`;
  const known = Object.entries(builtins).find(([other]) => other === kind)?.[1] ?? {};
  // A file may bear the name of a built-in one: `use` tells them apart.
  return place.index !== null && Object.hasOwn(known, name) ? `there is a built-in ${kind} "${name}" already` : null;
}

function write(path: string, text: string): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text, { flag: "wx" });
}

/** The list with one more, the last of its kind, as the formatter leaves it. Throws where the list has no place for it. */
export function withBuiltin(list: string, kind: string, name: string): string {
  const lines = list.split("\n");
  const head = `  ${quoted(kind)}: {`;
  const at = lines.findIndex((line) => line.startsWith(head));
  const row = `    ${quoted(name)}: () => import("./${kind}/${name}.ts"),`;
  const line = lines[at];
  if (line === undefined) throw new Error(`${listOfBuiltins} has no list of ${kind} plugins`);
  if (line === head) {
    const end = lines.indexOf("  },", at);
    if (end === -1) throw new Error(`the list of ${kind} plugins in ${listOfBuiltins} has no end`);
    return lines.toSpliced(end, 0, row).join("\n");
  }
  const rows = line
    .slice(head.length, line.lastIndexOf("}"))
    .split(/,(?=\s*["\w-]+:)/)
    .flatMap((each) => (each.trim() === "" ? [] : [`    ${each.trim()},`]));
  return lines.toSpliced(at, 1, head, ...rows, row, "  },").join("\n");
}

const quoted = (key: string): string => (/^\w+$/.test(key) ? key : `"${key}"`);

interface Written {
  readonly kind: string;
  readonly name: string;
  readonly place: Place;
}

function told(files: readonly string[], options: string, { kind, name, place }: Written): readonly string[] {
  const use = place.index === null ? [`use: ./${place.plugin}`] : [];
  const instance = [...use, ...(options === "" ? [] : [options])].join(", ");
  return [
    ...files.map((file) => `${file === place.index ? "changed" : "wrote"}  ${file}`),
    "",
    "In the config file:",
    `  ${kind}:`,
    `    ${name}: {${instance === "" ? "" : ` ${instance} `}}`,
    ...(kind === "provider"
      ? ["  prices:", `    - { target: ${name}/*, input: 1, output: 2 } # the vendor's, in USD per million tokens`]
      : []),
    "",
    ...(place.index === null
      ? [
          `Its test needs this package: \`bun install && bun link\` in a checkout of it, \`bun link llm-proxy\` here, then \`bun test ./${place.test}\`.`,
        ]
      : [
          `Its test: \`bun test ${place.test}\`. Then \`bun plugins/generate.ts\` adds it to the schema and the README.`,
        ]),
  ];
}
