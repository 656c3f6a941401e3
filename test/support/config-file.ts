import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Gateway } from "./process.ts";

/** What `GET /api/config` says. */
export interface ConfigState {
  readonly generation: number;
  readonly callsBefore: readonly number[];
  readonly lastReload: { readonly ok: boolean; readonly by: string; readonly problems?: readonly string[] } | null;
}
interface Reloaded {
  readonly ok: boolean;
  readonly generation: number;
  readonly needsRestart: readonly string[];
}

/** The config file of a gateway under test, and the ways to put another one into use. */
export function configFileOf(gateway: Gateway) {
  const path = join(gateway.directory, "llm-proxy.yaml");
  const first = readFileSync(path, "utf8");
  const reload = () => gateway.admin<Reloaded>("POST", "/api/config/reload");
  return {
    path,
    first,
    write: (text: string) => writeFileSync(path, text),
    reload,
    /** Throws with the problems. */
    reloadWith(text: string): Promise<Reloaded> {
      writeFileSync(path, text);
      return reload();
    },
    state: () => gateway.admin<ConfigState>("GET", "/api/config"),
  };
}
