import type { Target } from "../plugin/plugin.ts";

type Named = Pick<Target, "provider" | "model">;

/**
 * `instance/model`. Put together once for each target: a call asks several times, and maps find a text that they have
 * hashed before sooner than a new one that says the same.
 */
export function targetName(target: Named): string {
  const known = names.get(target);
  if (known !== undefined) return known;
  const name = `${target.provider}/${target.model}`;
  names.set(target, name);
  return name;
}

const names = new WeakMap<Named, string>();
