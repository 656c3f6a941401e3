import { GatewayError } from "../chat/error.ts";

/** What was chosen of a few; `null`: nothing. Throws as `noneOf`: an unknown one must not show everything. */
export function oneOf<Known extends string>(text: string | null, known: readonly Known[], label: string): Known | null {
  if (text === null || text === "") return null;
  return known.find((one) => one === text) ?? noneOf(known, label);
}

/** Throws `invalid-request` for what is not among a few. `label`: of the field. */
export function noneOf(known: readonly string[], label: string): never {
  throw new GatewayError("invalid-request", `${label}: one of ${known.join(", ")}.`);
}
