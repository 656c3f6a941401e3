import { reasonOf } from "./problem.ts";

/** What `${…}` can take its values from. */
export interface Sources {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** `path` as written in the config. Throws as `ReadFile` does. */
  readonly readSecret: (path: string) => string;
}

export type Filled = { readonly value: string; readonly parts: readonly string[] } | { readonly problem: string };

/**
 * Fills `${NAME}`, `${NAME:-default}` and `${file:PATH}` in a text; `$${` stands for `${` itself. A filled value is not
 * scanned again. `null`: nothing to fill. `parts` are the values that came from outside, to keep them out of messages.
 */
export function interpolate(text: string, sources: Sources): Filled | null {
  if (!text.includes("${")) return null;
  const parts: string[] = [];
  let problem: string | null = null;
  const value = text.replaceAll(reference, (whole, inside: string | undefined) => {
    if (whole === "$${") return "${";
    const result = resolve(inside, sources);
    if ("problem" in result) {
      problem ??= result.problem;
      return "";
    }
    parts.push(result.value);
    return result.value;
  });
  return problem === null ? { value, parts } : { problem };
}

const reference = /\$\$\{|\$\{([^}]*)\}|\$\{/g;
const variable = /^([A-Za-z_][A-Za-z0-9_]*)(?::-(.*))?$/s;

function resolve(inside: string | undefined, sources: Sources): { value: string } | { problem: string } {
  if (inside?.startsWith("file:")) return secretFile(inside.slice("file:".length), sources);
  const [, name, fallback] = variable.exec(inside ?? "") ?? [];
  // The text between the braces is not repeated: it may be a secret that was pasted there.
  if (name === undefined)
    return { problem: "bad ${…}: write ${NAME}, ${NAME:-default} or ${file:PATH}; $${ is a plain ${" };
  if (fallback?.includes("${")) return { problem: `bad default of \${${name}}: one \${…} cannot hold another` };
  const value = sources.env[name];
  if (value !== undefined && value !== "") return { value };
  if (fallback !== undefined) return { value: fallback };
  const state = value === undefined ? "not set" : "empty";
  return { problem: `environment variable ${name} is ${state}; set it, or write \${${name}:-default}` };
}

function secretFile(path: string, { readSecret }: Sources): { value: string } | { problem: string } {
  if (path === "") return { problem: "bad ${file:}: the path is missing" };
  try {
    const value = readSecret(path).replace(/\r?\n$/, "");
    return value === "" ? { problem: `file ${path}: empty` } : { value };
  } catch (error) {
    return { problem: `file ${path}: ${reasonOf(error)}` };
  }
}
