import fc from "fast-check";
import type { BudgetWindow } from "../../core/storage/budget.ts";
import type { Admission } from "../../core/storage/database.ts";
import { kathmandu, type Terms } from "./budget-model.ts";

type Scope = Admission["scopes"][number];

/** What happens to a ledger. `pick` numbers are taken modulo what there is. */
export type Step =
  | {
      readonly kind: "budget";
      readonly scope: Scope;
      readonly window: BudgetWindow;
      readonly timeZone: string | null;
      readonly terms: Terms;
    }
  | { readonly kind: "change"; readonly pick: number; readonly terms: Partial<Terms>; readonly increase: Extra | null }
  | { readonly kind: "reset"; readonly pick: number }
  | { readonly kind: "remove"; readonly pick: number }
  | { readonly kind: "credit"; readonly id: string; readonly nano: number; readonly forMs: number | null }
  | { readonly kind: "move"; readonly id: string; readonly parentId: string | null }
  | {
      readonly kind: "admit";
      readonly calls: readonly AskedCall[];
      /** Asked for before these calls are admitted, and after their scopes were worked out. */
      readonly overtaking: { readonly id: string; readonly parentId: string | null } | null;
    }
  | { readonly kind: "finish"; readonly pick: number; readonly percent: number | null; readonly fellBack: boolean }
  | { readonly kind: "reprice"; readonly pick: number; readonly percent: number }
  | { readonly kind: "refuse"; readonly key: number }
  | { readonly kind: "advance"; readonly ms: number }
  | { readonly kind: "restart"; readonly policy: "input" | "full" | "release" };
interface Extra {
  readonly nano: number;
  readonly forMs: number;
}
export interface AskedCall {
  readonly key: number;
  readonly model: string;
  readonly providers: readonly string[];
  /** How long before now it arrived. */
  readonly lagMs: number;
  readonly need: Admission["need"];
  readonly priced: boolean;
}

const hourMs = 3_600_000;
const providers = ["first", "second"];
const models = ["fast", "smart"];
/** The tree that each run starts with. */
export const firstParents = { default: null, team: "default", user: "team", org: null, unit: "org" } as const;
const accountIds = Object.keys(firstParents);
const scopes: readonly Scope[] = [
  { kind: "global", id: "global" },
  ...["key-0", "key-1"].map((id) => ({ kind: "key", id }) as const),
  ...accountIds.map((id) => ({ kind: "account", id }) as const),
  ...models.map((id) => ({ kind: "model", id }) as const),
  ...providers.map((id) => ({ kind: "provider", id }) as const),
];
const windows: readonly { readonly window: BudgetWindow; readonly timeZone: string | null }[] = [
  ...(["day", "week", "month"] as const).flatMap((window) =>
    [null, kathmandu].map((timeZone) => ({ window, timeZone })),
  ),
  ...(["lifetime", "1h", "5h"] as const).map((window) => ({ window, timeZone: null })),
];
const terms = {
  limitNano: fc.integer({ min: 1, max: 4_000 }),
  onShortfall: fc.constantFrom<Terms["onShortfall"][]>("cap", "cap", "refuse"),
  admission: fc.constantFrom<Terms["admission"][]>("bound", "bound", "expected"),
};
const need: fc.Arbitrary<Admission["need"]> = fc
  .record({
    inputNano: fc.nat(200),
    outputNano: fc.nat(400),
    expectedNano: fc.nat(300),
    outputTokens: fc.integer({ min: 1, max: 100 }),
    least: fc.nat(100),
  })
  .map(({ least, ...rest }) => ({ ...rest, leastOutputTokens: Math.min(Math.max(least, 1), rest.outputTokens) }));
const call: fc.Arbitrary<AskedCall> = fc.record({
  key: fc.nat(2),
  model: fc.constantFrom(...models),
  providers: fc.constantFrom(["first"], ["second"], ["first", "second"]),
  lagMs: fc.constantFrom(0, 0, 3, hourMs),
  need,
  priced: fc.boolean(),
});
export const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    {
      weight: 3,
      arbitrary: fc
        .record({
          kind: fc.constant("budget" as const),
          scope: fc.constantFrom(...scopes),
          at: fc.constantFrom(...windows),
          terms: fc.record(terms),
        })
        .map(({ at, ...step }) => ({ ...step, ...at })),
    },
    {
      weight: 2,
      arbitrary: fc.record({
        kind: fc.constant("change" as const),
        pick: fc.nat(),
        terms: fc.record(terms, { requiredKeys: [] }),
        increase: fc.option(fc.record({ nano: fc.integer({ min: 1, max: 1_000 }), forMs: fc.nat(2 * hourMs) })),
      }),
    },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant("reset" as const), pick: fc.nat() }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant("remove" as const), pick: fc.nat() }) },
    {
      weight: 2,
      arbitrary: fc.record({
        kind: fc.constant("credit" as const),
        id: fc.constantFrom(...accountIds),
        nano: fc.integer({ min: 1, max: 2_000 }),
        forMs: fc.option(fc.constantFrom(1, hourMs, 30 * hourMs)),
      }),
    },
    {
      weight: 3,
      arbitrary: fc.record({
        kind: fc.constant("move" as const),
        id: fc.constantFrom(...accountIds),
        parentId: fc.option(fc.constantFrom(...accountIds), { freq: 5 }),
      }),
    },
    {
      weight: 8,
      arbitrary: fc.record({
        kind: fc.constant("admit" as const),
        calls: fc.array(call, { minLength: 1, maxLength: 5 }),
        overtaking: fc.option(
          fc.record({ id: fc.constantFrom(...accountIds), parentId: fc.option(fc.constantFrom(...accountIds)) }),
          { freq: 2 },
        ),
      }),
    },
    {
      weight: 8,
      arbitrary: fc.record({
        kind: fc.constant("finish" as const),
        pick: fc.nat(),
        percent: fc.option(fc.nat(150), { freq: 5 }),
        fellBack: fc.boolean(),
      }),
    },
    {
      weight: 3,
      arbitrary: fc.record({ kind: fc.constant("reprice" as const), pick: fc.nat(), percent: fc.nat(250) }),
    },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant("refuse" as const), key: fc.nat(2) }) },
    {
      weight: 3,
      arbitrary: fc.record({
        kind: fc.constant("advance" as const),
        ms: fc.constantFrom(1, 1_000, 60_000, hourMs, 3 * hourMs, 24 * hourMs, 7 * 24 * hourMs, 31 * 24 * hourMs),
      }),
    },
    {
      weight: 1,
      arbitrary: fc.record({
        kind: fc.constant("restart" as const),
        policy: fc.constantFrom("input" as const, "full" as const, "release" as const),
      }),
    },
  ),
  { minLength: 1, maxLength: 50, size: "max" },
);
