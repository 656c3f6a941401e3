import type { Egress } from "../runtime/egress.ts";
import type { Context } from "./plugin.ts";

/** Lets an instance reach what its options name, which the operator wrote; every other address passes the guard. */
export function fetchOf(
  options: Readonly<Record<string, unknown>>,
  { send, pin }: Pick<Egress, "send" | "pin">,
): Context["fetch"] {
  let named: ReadonlySet<string> | null = null;
  return async (request) => {
    // A plugin in plain JavaScript asks as it asks the runtime's own.
    if (!(request instanceof Request)) throw new TypeError("fetch() takes a Request: fetch(new Request(url))");
    named ??= new Set(placesIn(options));
    const { origin, host, hostname } = new URL(request.url);
    if (named.has(origin) || named.has(host) || named.has(hostname)) return send(request, { redirect: "manual" });
    return send(request, { redirect: "manual" }, await pin(request.url));
  };
}

/** Every text is one, or could be: a URL's origin, `host`, `host:port`. */
function placesIn(value: unknown): string[] {
  if (typeof value === "string") return [value.toLowerCase(), URL.parse(value)?.origin ?? ""];
  if (typeof value !== "object" || value === null) return [];
  return Object.values(value).flatMap(placesIn);
}
