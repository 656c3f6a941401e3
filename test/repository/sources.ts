import { dirname, join, normalize } from "node:path";

export const root = normalize(join(import.meta.dir, "../.."));

export interface Source {
  /** From the root, with forward slashes. */
  readonly path: string;
  readonly text: string;
}

/** The files of a glob, without installed packages and recorded data. */
export async function sources(glob: string): Promise<readonly Source[]> {
  const paths = await Array.fromAsync(new Bun.Glob(glob).scan({ cwd: root, onlyFiles: true, dot: true }));
  const own = paths.filter((path) => !/(^|\/)(node_modules|fixtures|\.git)\//.test(path)).toSorted();
  return Promise.all(own.map(async (path) => ({ path, text: await Bun.file(join(root, path)).text() })));
}

export interface Import {
  readonly from: string;
  /** A path from the root when it is one of our files, else the specifier as written; `null`: computed at run time. */
  readonly to: string | null;
  /** Gone at run time: `import type`, or every name in the braces is a `type`. */
  readonly typeOnly: boolean;
}

const statement = /(?:^|[;}\n])\s*(?:import|export)\b([^'"`;()]*?\bfrom)?\s*["']([^"']+)["']/g;
const call = /\bimport\(\s*(?:["']([^"']+)["'])?/g;

/** Every static, dynamic and type-only import and re-export. */
export function importsOf({ path, text }: Source): readonly Import[] {
  const code = withoutComments(text);
  const from = path;
  const statements = code.matchAll(statement).map(([, clause = "", specifier = ""]) => ({
    from,
    to: resolved(path, specifier),
    typeOnly: /^\s+type\b|^\s*\{(\s*type\s[^,}]+,?)+\s*\}/.test(clause),
  }));
  const calls = code.matchAll(call).map(([, specifier]) => ({
    from,
    to: specifier === undefined ? null : resolved(path, specifier),
    typeOnly: false,
  }));
  return [...statements, ...calls];
}

/** Good enough for our own sources: a `//` inside a string must follow a colon, a quote or a backslash. */
export const withoutComments = (text: string): string =>
  text.replace(/\/\*[\s\S]*?\*\//g, "").replace(/(^|[^:"'`\\])\/\/.*$/gm, "$1");

function resolved(path: string, specifier: string): string {
  if (specifier === "llm-proxy/config") return "core/config/define.ts";
  if (specifier === "llm-proxy/plugin") return "core/plugin/plugin.ts";
  if (specifier === "llm-proxy/testing") return "test/contract/index.ts";
  return specifier.startsWith(".") ? normalize(join(dirname(path), specifier)) : specifier;
}
