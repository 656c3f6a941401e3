import { statSync } from "node:fs";
import { resolve } from "node:path";
import type { LoadedConfig } from "../config/config.ts";
import type { ResolvedPlugin } from "../plugin/load.ts";

/** A file as it was when it was read. */
export interface SeenFile {
  readonly path: string;
  readonly sign: string;
}

/**
 * Another one when the file is. It asks the file itself, through links: a ConfigMap of Kubernetes is a link that is turned to
 * another folder, and of a shared drive no event would tell.
 */
export function signOf(path: string): string {
  try {
    const { ino, size, mtimeMs } = statSync(path);
    return `${ino} ${size} ${mtimeMs}`;
  } catch {
    return "not there";
  }
}

export const pluginFiles = (
  { config, directory }: LoadedConfig,
  resolved: readonly ResolvedPlugin[],
): readonly SeenFile[] =>
  resolved
    .filter(({ origin }) => origin === "file")
    .map(({ kind, name }) => resolve(directory, config[kind][name]?.use ?? name))
    .map((path) => ({ path, sign: signOf(path) }));
