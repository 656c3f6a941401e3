import type { LimitUse } from "../chat/limit.ts";
import type { Limits, LimitScope } from "../plugin/plugin.ts";
import type { Page, PageQuery } from "../storage/database.ts";
import type { Place } from "./tenancy.ts";

/** Limits as lists and pages show them. */
export interface ShownLimit {
  readonly id: string;
  /** `instance`: the options of a `rate-limit` instance. */
  readonly source: "default" | "file" | "api" | "instance";
  /** `id` `null`: each of its kind for itself. */
  readonly scope: { readonly kind: LimitScope["kind"]; readonly id: string | null };
  readonly limits: Limits;
  readonly enforce: boolean;
  /** `null`: of the file. */
  readonly createdMs: number | null;
  /** Where each of them stands now, in the order of `limits`; `null`: it counts many apart. */
  readonly use: readonly LimitUse[] | null;
}

/** What limits go through, whoever asks: the API or the dashboard. A change holds for the next call. */
export interface LimitService {
  /**
   * Newest first, then those of the file and of the instances. `scope`: only those on it, whose ids are named; `place`: only
   * those on what is of it.
   */
  list(
    query: PageQuery & { readonly scope?: LimitScope; readonly place?: Pick<Place, "accountId" | "inScope"> },
  ): Promise<Page<ShownLimit>>;
  get(id: string): Promise<ShownLimit | null>;
  create(input: unknown): Promise<ShownLimit>;
  /** `null`: no such limit that may be changed: those of the file are not. */
  change(id: string, input: unknown): Promise<ShownLimit | null>;
  remove(id: string): Promise<boolean>;
  /** Where limits stand that are written elsewhere, as those of a key. */
  use(scope: LimitScope, limits: Limits): Promise<readonly LimitUse[] | null>;
  /** What calls met since the start of the process. */
  met(): readonly {
    readonly scope: string;
    readonly measure: string;
    readonly enforced: boolean;
    readonly count: number;
  }[];
}
