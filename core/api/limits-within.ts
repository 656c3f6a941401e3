import { GatewayError, missing } from "../chat/error.ts";
import { LimitSchema } from "../config/schema.ts";
import type { Place } from "../identity/tenancy.ts";
import type { LimitService, ShownLimit } from "../identity/limits.ts";
import { checked } from "./route.ts";

/** Limits as the people of an account see them: those on it, on accounts below it and on their keys. */
export function limitsWithin(service: LimitService, place: Place): LimitService {
  async function get(id: string): Promise<ShownLimit | null> {
    const limit = await service.get(id);
    return limit && (await place.inScope(limit.scope)) ? limit : null;
  }
  /** For a change. */
  async function isChangeable(id: string): Promise<boolean> {
    const limit = await get(id);
    if (limit) place.checkBelow(limit.scope);
    return limit !== null;
  }
  return {
    list: (query) => service.list({ ...query, place }),
    get,
    async create(given) {
      const { scope } = checked(LimitSchema, given);
      const on = { kind: scope.kind, id: scope.id ?? null };
      if (on.kind !== "account" && on.kind !== "key")
        throw new GatewayError("forbidden", "your limits are on accounts and keys");
      if (!(await place.inScope(on))) missing();
      place.checkBelow(on);
      return service.create(given);
    },
    change: async (id, given) => ((await isChangeable(id)) ? service.change(id, given) : null),
    remove: async (id) => (await isChangeable(id)) && service.remove(id),
    use: (scope, limits) => service.use(scope, limits),
    // Counted for all accounts together.
    met: () => [],
  };
}
