import { existsSync, readFileSync, realpathSync } from "node:fs";
import { isBuiltin } from "node:module";
import { dirname, extname, join, sep } from "node:path";
import { fileURLToPath } from "node:url";

/**
 * Where no node_modules folder is at the importing file or above, Bun downloads a package that it does not find, and
 * runs it: https://bun.com/docs/runtime/auto-install. Only bunfig.toml of the working folder or a flag turns that off,
 * so a misspelt name in the config would run the code of whoever has that name on npm.
 */
export const mayDownload = (directory: string): boolean => typeof Bun !== "undefined" && !hasNodeModules(directory);

/**
 * Throws when `file`, or one beside it that it imports, names a package that Bun would download. What is named only
 * while it runs is not seen.
 */
export function refuseDownloads(file: string, provided: ReadonlySet<string>, seen = new Set<string>()): void {
  const path = realpathSync(file);
  const directory = dirname(path);
  const loader = loaders[extname(path)];
  if (typeof Bun === "undefined" || seen.has(path) || loader === undefined || isInstalled(path)) return;
  seen.add(path);
  // Bun goes by the file that imports: one with node_modules about may import one without.
  const isOpen = mayDownload(directory);
  for (const name of importsOf(path, loader)) {
    const imported = fileOf(name, directory);
    if (imported !== null) refuseDownloads(imported, provided, seen);
    else if (isOpen && packageForm.test(name) && !isBuiltin(name) && !ofBun.has(name) && !provided.has(name))
      throw new Error(
        `imports the package "${packageForm.exec(name)?.[0]}", and no node_modules folder is here or above: install it beside the file`,
      );
  }
}

/** Bun remembers which folders have node_modules; only where it finds no file does it look again. */
export const lookAgain = (directory: string): void => void resolved("./no file has this name", directory);

const loaders: Readonly<Record<string, "ts" | "tsx" | "js" | "jsx">> = {
  ".ts": "ts",
  ".mts": "ts",
  ".cts": "ts",
  ".tsx": "tsx",
  ".js": "js",
  ".mjs": "js",
  ".cjs": "js",
  ".jsx": "jsx",
};

/** The package that an import names; what tsconfig.json or package.json map (`#x`, `@/x`, `~/x`) is none, nor is a URL. */
const packageForm = /^(?!(?:blob|bun|data|file|https?|node):)(?:@[a-z0-9][\w.-]*\/)?[a-z0-9][\w.-]*/i;
/** Packages that Bun has itself, whether they are installed or not. */
const ofBun: ReadonlySet<string> = new Set(["node-fetch", "isomorphic-fetch", "abort-controller", "utf-8-validate"]);

/** What is installed was installed with what it needs. */
const isInstalled = (path: string): boolean => path.includes(`${sep}node_modules${sep}`);

/** `null`: it names no file, or none that there is. */
function fileOf(name: string, directory: string): string | null {
  if (name.startsWith("file:")) return existsSync(new URL(name)) ? fileURLToPath(name) : null;
  return name.startsWith(".") || name.startsWith("/") ? resolved(name, directory) : null;
}

function hasNodeModules(directory: string): boolean {
  if (existsSync(join(directory, "node_modules"))) return true;
  const above = dirname(directory);
  return above !== directory && hasNodeModules(above);
}

function importsOf(path: string, loader: "ts" | "tsx" | "js" | "jsx"): readonly string[] {
  try {
    const transpiler = new Bun.Transpiler({ loader, trimUnusedImports: true });
    return transpiler.scanImports(readFileSync(path, "utf8")).map((found) => found.path);
  } catch {
    // Its import fails too, and says where.
    return [];
  }
}

/** `name` begins with a dot or a slash. `null`: no such file, which its import says better. */
function resolved(name: string, directory: string): string | null {
  try {
    return Bun.resolveSync(name, directory);
  } catch {
    return null;
  }
}
