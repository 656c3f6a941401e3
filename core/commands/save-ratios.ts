import { clearInterval, setInterval } from "node:timers";
import { within } from "../plugin/deadline.ts";

const everyMs = 60_000;
/** A storage that hangs must not keep the process from ending. */
const lastMs = 1_000;

/** Returns what saves for the last time. `save` throws nothing. */
export function saveRegularly({ save }: { readonly save: () => Promise<void> }): () => Promise<void> {
  const timer = setInterval(() => void save(), everyMs).unref();
  return async () => {
    clearInterval(timer);
    await within(lastMs, save).catch(() => {});
  };
}
