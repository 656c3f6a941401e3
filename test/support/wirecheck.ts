import { existsSync } from "node:fs";
import { join } from "node:path";

const folder = process.env["LLM_PROXY_WIRE"] ?? join(import.meta.dirname, "../../../shared/wire");
const file = join(folder, "tools/wirecheck.ts");

interface Wirecheck {
  wirecheck(kind: string, value: unknown): readonly { readonly rule: string; readonly at: string }[];
}

/** The vendors' own schemas, as far as their own traffic keeps them; `null` where they are not there. */
const loaded: Promise<Wirecheck | null> = existsSync(file)
  ? // A tool beside the recordings, whose one function is described there.
    (import(file) as Promise<Wirecheck>)
  : Promise.resolve(null);

/** Rules that `value` breaks, each with its place. `kind`: `<dialect>/request`, `/response`, `/event` or `/error`. */
export async function wireFaults(kind: string, value: unknown): Promise<readonly string[]> {
  const tool = await loaded;
  return tool === null ? [] : tool.wirecheck(kind, value).map(({ rule, at }) => `${rule} at ${at}`);
}
