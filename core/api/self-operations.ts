import { RotationSchema } from "./key-schemas.ts";
import type { ApiRoute } from "./route.ts";
import { NoQuerySchema, OwnCallsQuerySchema, OwnGroupedUsageSchema } from "./schemas.ts";

/** What holders of a credential for calls ask of themselves, as it is described; each takes that credential. */
export const selfOperations = {
  view: {
    method: "GET",
    path: "/v1/me",
    summary:
      "The key that asks, and every budget and limit that counts all its calls, with what is left and which one binds.",
    query: NoQuerySchema,
    status: 200,
  },
  usage: {
    method: "GET",
    path: "/v1/me/usage",
    summary:
      "Sums over the key's own calls admitted in [from, to); without a key of ours, over 31 days at most, and 403 where several issuers are set up.",
    query: OwnGroupedUsageSchema,
    status: 200,
  },
  calls: {
    method: "GET",
    path: "/v1/me/calls",
    summary:
      "List the key's own calls, those in flight before all others, then the latest ended first. 403 without a key of ours where several issuers are set up.",
    query: OwnCallsQuerySchema,
    status: 200,
  },
  rotate: {
    method: "POST",
    path: "/v1/me/rotation",
    summary: "Give the key that asks a new secret, which only this answer holds. Takes the present secret.",
    query: NoQuerySchema,
    body: RotationSchema,
    status: 201,
  },
} as const satisfies Readonly<Record<string, Omit<ApiRoute, "permission" | "answer">>>;
