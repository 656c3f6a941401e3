import { existsSync, readFileSync, realpathSync } from "node:fs";
import { isBuiltin } from "node:module";
import { dirname, extname, join } from "node:path";

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
  if (seen.has(path) || loader === undefined || !mayDownload(directory)) return;
  seen.add(path);
  for (const name of importsOf(path, loader)) {
    if (name.startsWith(".") || name.startsWith("/")) {
      const imported = resolved(name, directory);
      if (imported !== null) refuseDownloads(imported, provided, seen);
    } else if (packageForm.test(name) && !isBuiltin(name) && !provided.has(name))
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

/** The package that an import names; what tsconfig.json or package.json map (`#x`, `@/x`, `~/x`) is none. */
const packageForm = /^(?:@[a-z0-9][\w.-]*\/)?[a-z0-9][\w.-]*/i;

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
