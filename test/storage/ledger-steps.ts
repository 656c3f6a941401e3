import fc from "fast-check";
import type { BudgetWindow } from "../../core/storage/budget.ts";
import type { Admission } from "../../core/storage/database.ts";
import { kathmandu, type Terms } from "./budget-model.ts";

type Policy = "input" | "full" | "release";
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
  | {
      /** Somebody changes one budget twice while its calls are admitted and others end, all in one turn. */
      readonly kind: "rush";
      readonly pick: number;
      readonly terms: readonly [Partial<Terms>, Partial<Terms>];
      readonly calls: readonly AskedCall[];
      readonly ends: number;
    }
  | { readonly kind: "restart"; readonly policy: Policy }
  | {
      /** As `kill -9` leaves it. What was asked for in its last turn was never written. */
      readonly kind: "crash";
      readonly policy: Policy;
      readonly lost: readonly AskedCall[];
    };
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
  limitNano: fc.oneof(fc.integer({ min: 1, max: 4_000 }), fc.integer({ min: 4_000, max: 40_000 })),
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
const policy = fc.constantFrom<Policy[]>("input", "full", "release");
const kind = <Kind extends Step["kind"]>(name: Kind) => fc.constant(name);

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 11,
    arbitrary: fc
      .record({
        kind: kind("budget"),
        scope: fc.constantFrom(...scopes),
        at: fc.constantFrom(...windows),
        terms: fc.record(terms),
      })
      .map(({ at, ...made }) => ({ ...made, ...at })),
  },
  {
    weight: 12,
    arbitrary: fc.record({
      kind: kind("change"),
      pick: fc.nat(),
      terms: fc.record(terms, { requiredKeys: [] }),
      increase: fc.option(fc.record({ nano: fc.integer({ min: 1, max: 1_000 }), forMs: fc.nat(2 * hourMs) })),
    }),
  },
  { weight: 9, arbitrary: fc.record({ kind: kind("reset"), pick: fc.nat() }) },
  { weight: 10, arbitrary: fc.record({ kind: kind("remove"), pick: fc.nat() }) },
  {
    weight: 8,
    arbitrary: fc.record({
      kind: kind("credit"),
      id: fc.constantFrom(...accountIds),
      nano: fc.integer({ min: 1, max: 2_000 }),
      forMs: fc.option(fc.constantFrom(1, hourMs, 30 * hourMs)),
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      kind: kind("move"),
      id: fc.constantFrom(...accountIds),
      parentId: fc.option(fc.constantFrom(...accountIds), { freq: 5 }),
    }),
  },
  {
    weight: 80,
    arbitrary: fc.record({
      kind: kind("admit"),
      calls: fc.array(call, { minLength: 1, maxLength: 8 }),
      overtaking: fc.oneof(
        { weight: 5, arbitrary: fc.constant(null) },
        {
          weight: 1,
          arbitrary: fc.record({
            id: fc.constantFrom(...accountIds),
            parentId: fc.option(fc.constantFrom(...accountIds)),
          }),
        },
      ),
    }),
  },
  {
    weight: 110,
    arbitrary: fc.record({
      kind: kind("finish"),
      pick: fc.nat(),
      percent: fc.option(fc.nat(150), { freq: 5 }),
      fellBack: fc.boolean(),
    }),
  },
  {
    weight: 30,
    arbitrary: fc.record({
      kind: kind("rush"),
      pick: fc.nat(),
      terms: fc.tuple(fc.record(terms, { requiredKeys: [] }), fc.record(terms, { requiredKeys: [] })),
      calls: fc.array(call, { minLength: 1, maxLength: 4 }),
      ends: fc.nat(3),
    }),
  },
  { weight: 6, arbitrary: fc.record({ kind: kind("reprice"), pick: fc.nat(), percent: fc.nat(250) }) },
  { weight: 8, arbitrary: fc.record({ kind: kind("refuse"), key: fc.nat(2) }) },
  {
    weight: 30,
    arbitrary: fc.record({
      kind: kind("advance"),
      ms: fc.constantFrom(1, 1_000, 60_000, hourMs, 3 * hourMs, 24 * hourMs, 7 * 24 * hourMs, 31 * 24 * hourMs),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: kind("restart"), policy }) },
  { weight: 1, arbitrary: fc.record({ kind: kind("crash"), policy, lost: fc.array(call, { maxLength: 3 }) }) },
);

/** One schedule. Long, because each begins with a database of its own. */
export const schedule: fc.Arbitrary<Step[]> = fc.array(step, { minLength: 400, maxLength: 400, size: "max" });
