import type { ContentRepository } from "../../storage/content.ts";

/** `accounts`: the call's own and those above it, nearest first. */
export function keepsContent(
  { setting }: Pick<ContentRepository, "setting">,
  keyId: string | null,
  accounts: readonly string[],
): boolean {
  let inherited: boolean | null = null;
  for (const id of accounts) {
    const said = setting({ kind: "account", id });
    if (said === "forbid") return false;
    if (said !== null) inherited ??= said === "on";
  }
  const own = keyId === null ? null : setting({ kind: "key", id: keyId });
  return own === null ? inherited === true : own === "on";
}
