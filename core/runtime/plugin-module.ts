import { createRequire } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const provided = new Set<string>();

/**
 * Makes `import … from name` mean `exports` in files outside this package, which have no node_modules. Under Deno, which
 * has no such hook, it does nothing: those files need an import map (`missingModuleHint`).
 */
export function provideModule(name: string, exports: Readonly<Record<string, unknown>>): void {
  if (typeof Bun === "undefined" || provided.has(name)) return;
  provided.add(name);
  Bun.plugin({
    name,
    setup: (build) => void build.module(name, () => ({ loader: "object", exports: { ...exports } })),
  });
}

/** What to add to the message of a failed import; empty where `provideModule` works. */
export const missingModuleHint = (name: string, file: URL): string =>
  typeof Bun === "undefined" ? `; Deno needs --import-map with {"imports": {"${name}": "${file.href}"}}` : "";

/** URL of the npm package as a file in `directory` would import it. Throws when it is not installed there. */
export function resolvePackage(name: string, directory: string): string {
  if (typeof Bun !== "undefined") return pathToFileURL(Bun.resolveSync(name, directory)).href;
  return pathToFileURL(createRequire(join(directory, "llm-proxy.yaml")).resolve(name)).href;
}
