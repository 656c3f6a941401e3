import { clearInterval, setInterval } from "node:timers";
import { type SeenFile, signOf } from "./seen-files.ts";
import type { Reloader } from "./reload.ts";
import type { Snapshot } from "./snapshot.ts";

const lookMs = 500;

/**
 * Reloads when the config file, a secret file that it names or a plugin's own file is another one than was read, and has
 * been for two looks: an editor may write in pieces. What could not be used is tried again when it is another one again.
 * Returns what ends it.
 */
export function reloadOnChange(
  reloader: Pick<Reloader, "files" | "reload"> & { readonly current: Pick<Snapshot, "settings"> },
): () => void {
  let before = "";
  let tried = "";

  function look() {
    const { current, files } = reloader;
    if (!current.settings.watchConfig) return;
    const now = textOf(files.map(({ path }) => ({ path, sign: signOf(path) })));
    const isSteady = now === before;
    before = now;
    if (now === textOf(files) || now === tried || !isSteady) return;
    tried = now;
    void reloader.reload("a change of the file");
  }
  const timer = setInterval(look, lookMs).unref();
  return () => clearInterval(timer);
}

const textOf = (files: readonly SeenFile[]): string => files.map(({ path, sign }) => `${path} ${sign}`).join("\n");
