import { within } from "../plugin/deadline.ts";
import { importDeadlineMs } from "../plugin/find.ts";
import { failedImport, missingModuleHint, moduleOf, provideModule } from "../runtime/plugin-module.ts";
import { defineConfig } from "./define.ts";
import { reasonOf } from "./problem.ts";

/** The default export of a config written in TypeScript. Throws an `Error` whose message fits after the file's name. */
export async function importConfig(file: string): Promise<unknown> {
  provideModule("llm-proxy/config", { defineConfig });
  const exports = await importFile(file);
  if (typeof exports !== "object" || exports === null || !("default" in exports))
    throw new Error("has no default export; write export default defineConfig({ … })");
  try {
    return structuredClone(exports.default);
  } catch {
    throw new Error("the default export must be data only: no functions or classes");
  }
}

async function importFile(file: string): Promise<unknown> {
  try {
    return await within<unknown>(importDeadlineMs, () => import(moduleOf(file)));
  } catch (error) {
    const failed = failedImport(error);
    const reason = `${failed.place}${reasonOf(failed.error)}`;
    const hint = reason.includes("llm-proxy/config")
      ? missingModuleHint("llm-proxy/config", new URL("define.ts", import.meta.url))
      : "";
    throw new Error(`import failed: ${reason}${hint}`, { cause: error });
  }
}
