import type { Attempt, Awaitable, Operation, UpstreamProvider, UpstreamRequest } from "../plugin/plugin.ts";
import { areHeaders } from "../plugin/told-headers.ts";
import type { Call } from "./call.ts";
import { closedHook } from "./hook.ts";
import type { Services } from "./services.ts";

/**
 * Has a provider make its request. With a stored key it is a `KeyedRequest`, and whoever sends it tells the key how that
 * went: one that is doubted lends itself to nobody else until then.
 */
export const requestOf = (
  { slot, provider }: { readonly slot: UpstreamProvider; readonly provider: string },
  attempt: Attempt,
  { timings }: Call,
  { logger }: Services,
): Awaitable<UpstreamRequest> =>
  closedHook({ logger, timings }, "provider", provider, "request", () => checkedRequest(slot.request(attempt)));

/**
 * Whether a refusal says something of the stored key that the request came with. Counting tokens has limits and rights of
 * its own: https://platform.claude.com/docs/en/build-with-claude/token-counting
 */
export const isOfKey = (operation: Operation, status: number): boolean =>
  operation !== "count-tokens" || status === 401;

/** A plugin in plain JavaScript may return anything; what cannot be sent is no attempt. */
function checkedRequest(made: Awaitable<UpstreamRequest>): Awaitable<UpstreamRequest> {
  if (made instanceof Promise) return made.then(checkedRequest);
  const found: Partial<UpstreamRequest> | null | undefined = made;
  if (isOfHttp(found?.url) && typeof found?.body === "string" && areHeaders(found.headers)) return made;
  throw new TypeError(
    "request() returned no request: it needs a url of http or https, headers as plain texts by name, and body",
  );
}

/** Bun's fetch answers `file:` and `data:` too, with what stands on this machine. */
const isOfHttp = (url: unknown): boolean => typeof url === "string" && /^https?:\/\//i.test(url);
