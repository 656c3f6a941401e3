import type { Explanation } from "../pipeline/explain/explanation.ts";
import { explainRecorded } from "../pipeline/explain/recorded.ts";
import type { Services } from "../pipeline/services.ts";
import { missing } from "./keys.ts";
import type { ApiRoute } from "./route.ts";
import type { TenantParts } from "./tenant-parts.ts";

/** Why calls go as they do, for whoever may see them. */
export interface ExplainService {
  /** `null`: no such call. */
  recorded(callId: string): Promise<Explanation | null>;
}

export type ExplainNeeds = Pick<Services, "billing" | "providers">;

export const explainService = (
  { database, place }: Pick<TenantParts, "database" | "place">,
  { billing, providers }: ExplainNeeds,
): ExplainService => ({
  recorded: (callId) =>
    explainRecorded(callId, { database, biller: billing?.slot ?? null, providers, whole: place === null }),
});

export const explainRoutes = (service: ExplainService): readonly ApiRoute[] => [
  {
    method: "GET",
    path: "/api/explain/:id",
    permission: "calls.read",
    summary:
      "Why a call went as it did: who asked, the limits and budgets that counted it with what was left of them, the estimate and its hold, the targets in order with why each was asked or not, hooks of plugins, attempts, and the settlement. `unknown` says what was not recorded.",
    query: null,
    body: null,
    status: 200,
    answer: async ({ params }) => (await service.recorded(params.id ?? "")) ?? missing(),
  },
];
