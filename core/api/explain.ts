import { missing } from "../chat/error.ts";
import type { Explanation } from "../pipeline/explain/explanation.ts";
import { explainDryRun } from "../pipeline/explain/dry-run.ts";
import { explainRecorded } from "../pipeline/explain/recorded.ts";
import type { Services } from "../pipeline/services.ts";
import { defaultAccount } from "../plugin/default-account.ts";
import { DryRunSchema, hypothetical } from "./hypothetical-call.ts";
import { type ApiRoute, checked } from "./route.ts";
import type { TenantParts } from "./tenant-parts.ts";

/** Why calls go as they do, for whoever may see them. */
export interface ExplainService {
  /** `null`: no such call. */
  recorded(callId: string): Promise<Explanation | null>;
  /** Of a call that is not made; changes nothing. Throws `invalid-request`, and `not-found` for an unknown key or account. */
  dryRun(input: unknown): Promise<Explanation>;
}

export const explainService = (
  { database, place }: Pick<TenantParts, "database" | "place">,
  services: Services,
): ExplainService => ({
  recorded: (callId) =>
    explainRecorded(callId, {
      database,
      biller: services.billing?.slot ?? null,
      providers: services.providers,
      whole: place === null,
    }),
  async dryRun(input) {
    // People of an account see it as the only root there is.
    const [own] = place === null ? [] : (await database.accounts.list({ parentId: null })).data;
    const home = own?.id ?? defaultAccount;
    const call = await hypothetical(checked(DryRunSchema, input), { database, services, home });
    return explainDryRun(call, { services, seen: database, whole: place === null });
  },
});

export const explainRoutes = (service: ExplainService): readonly ApiRoute[] => [
  {
    method: "GET",
    path: "/api/explain/:id",
    permission: "calls.read",
    summary:
      "Why a call went as it did: who asked, the limits and budgets that counted it with what was left of them, the estimate and its hold, the targets in order with why each was asked or not, hooks of plugins, attempts, and the settlement. `unknown` says what was not recorded.",
    answer: async ({ params }) => (await service.recorded(params.id ?? "")) ?? missing(),
  },
  {
    method: "POST",
    path: "/api/explain",
    permission: "calls.read",
    summary:
      "The same of a call that is not made, as things stand now. It changes nothing: nothing is held, taken from a limit, sent or recorded.",
    body: DryRunSchema,
    answer: ({ body }) => service.dryRun(body),
  },
];
