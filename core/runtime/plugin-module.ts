import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { lookAgain, mayDownload, refuseDownloads } from "./downloads.ts";

const provided = new Set<string>();
/** What was imported of each file, and how often it was another one since. */
const imported = new Map<string, { readonly hash: string; readonly version: number }>();

/**
 * What to import for the file as it is now: runtimes keep what they have once imported, by its name. What it imports
 * itself stays as it was, and so does the memory of each version. Throws when the import would download a package.
 */
export function moduleOf(path: string): string {
  refuseQuery(path);
  refuseDownloads(path, provided);
  const hash = createHash("sha256").update(readFileSync(path)).digest("hex");
  const known = imported.get(path);
  const version = known === undefined ? 0 : known.version + (known.hash === hash ? 0 : 1);
  imported.set(path, { hash, version });
  const { href } = pathToFileURL(path);
  if (version === 0) return href;
  // Bun gives the old module for a file URL with another query, and the new one for a path with it.
  return typeof Bun === "undefined" ? `${href}?v=${version}` : `${path}?v=${version}`;
}

/** Bun takes what is behind a question mark for a query, however it is written, and finds no such file. */
function refuseQuery(path: string): void {
  if (typeof Bun !== "undefined" && path.includes("?"))
    throw new Error("Bun loads nothing whose path has a question mark in it; rename that file or folder");
}

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

/** Bun keeps the place of a mistake in a file apart from the message: `file:line:column: `, or empty. Of several the first. */
export function failedImport(error: unknown): { readonly place: string; readonly error: unknown } {
  const first: unknown = error instanceof AggregateError ? (error.errors[0] ?? error) : error;
  const position = typeof BuildMessage !== "undefined" && first instanceof BuildMessage ? first.position : null;
  if (position === null) return { place: "", error: first };
  const file = position.file.replace(/\?v=\d+$/, "");
  return { place: `${file}:${position.line}:${position.column}: `, error: first };
}

/** What to add to the message of a failed import; empty where `provideModule` works. */
export const missingModuleHint = (name: string, file: URL): string =>
  typeof Bun === "undefined" ? `; Deno needs --import-map with {"imports": {"${name}": "${file.href}"}}` : "";

/** URL of the npm package as a file in `directory` would import it. Throws when it is not installed there. */
export function resolvePackage(name: string, directory: string): string {
  if (mayDownload(directory)) throw new Error("not installed");
  if (typeof Bun === "undefined")
    return pathToFileURL(createRequire(join(directory, "llm-proxy.yaml")).resolve(name)).href;
  lookAgain(directory);
  return pathToFileURL(Bun.resolveSync(name, directory)).href;
}

/** Imports what `resolvePackage` gave. Throws when that would download another package: a link may lead out of node_modules. */
export function importPackage(url: string): Promise<unknown> {
  refuseQuery(fileURLToPath(url));
  refuseDownloads(fileURLToPath(url), provided);
  return import(url);
}
