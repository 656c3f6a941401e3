import { GatewayError } from "../chat/error.ts";

/** What was chosen of a few; `null`: nothing. Throws `invalid-request`: an unknown one must not show everything. */
export function oneOf<Known extends string>(text: string | null, known: readonly Known[], label: string): Known | null {
  if (text === null || text === "") return null;
  const chosen = known.find((one) => one === text);
  if (chosen === undefined) throw new GatewayError("invalid-request", `${label}: one of ${known.join(", ")}.`);
  return chosen;
}
