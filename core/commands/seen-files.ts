import { statSync } from "node:fs";
import type { LoadedConfig } from "../config/config.ts";
import { pluginSections } from "../config/schema.ts";
import { pluginFile } from "../plugin/find.ts";

/** A file as it was when it was read. */
export interface SeenFile {
  readonly path: string;
  readonly sign: string;
}

/** Files as they are read, each as it was before that: what changes meanwhile must look new afterwards. */
export class SeenFiles {
  readonly #signs = new Map<string, string>();

  see(path: string, sign = signOf(path)): void {
    if (!this.#signs.has(path)) this.#signs.set(path, sign);
  }
  list(): readonly SeenFile[] {
    return [...this.#signs].map(([path, sign]) => ({ path, sign }));
  }
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

export const pluginFiles = ({ config, directory }: LoadedConfig): readonly string[] =>
  pluginSections
    .flatMap((kind) => Object.entries(config[kind]))
    .flatMap(([name, { use = name }]) => pluginFile(use, directory) ?? []);
