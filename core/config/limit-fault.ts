import { limitFields } from "../plugin/limits.ts";
import type { ConfigFile } from "./schema.ts";

/** What no schema says of a limit, whether it stands in the file or in a body of the API; `null`: nothing is wrong. */
export function limitFault({
  scope: { kind, id },
  enforce: _,
  ...limits
}: NonNullable<ConfigFile["limits"]>[number]): { readonly at: readonly string[]; readonly message: string } | null {
  const named = limitFields.filter(({ name }) => limits[name] !== undefined);
  if (named.length === 0) return { at: [], message: "names no limit, such as requestsPerMinute" };
  if (id !== undefined && kind === "ip") return { at: ["scope", "id"], message: "not for ip: it counts each address" };
  const fault = globalFault({ kind, id });
  if (fault) return { at: ["scope", "id"], message: fault };
  const other = named.find(({ measure }) => measure !== "requests");
  if (kind === "ip" && other) return { at: [other.name], message: "not for ip: it counts requests only" };
  return null;
}

/** What is wrong with the id of a scope, where it is the global one. */
export const globalFault = ({
  kind,
  id,
}: {
  readonly kind: string;
  readonly id?: string | undefined;
}): string | null => (kind === "global" && id !== undefined && id !== "global" ? "not for global: there is one" : null);
