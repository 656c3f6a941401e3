import type { Scope } from "../chat/error.ts";
import type { Awaitable } from "../plugin/plugin.ts";
import type { Page, PageQuery, Under } from "./database.ts";

/** A calendar's, or hours that roll: `5h` is the last five hours, at any moment. */
export type BudgetWindow = "day" | "week" | "month" | "lifetime" | `${number}h`;

export interface NewBudget {
  readonly id: string;
  readonly scope: Scope;
  readonly window: BudgetWindow;
  readonly limitNano: number;
  readonly createdMs: number;
  /** IANA name of whose days, weeks and months; default, and for any other window, `null`: UTC. */
  readonly timeZone?: string | null;
  readonly onShortfall?: BudgetRow["onShortfall"];
  readonly admission?: BudgetRow["admission"];
  readonly increase?: Increase | null;
  readonly alertPercents?: readonly number[];
}
/** A budget with the state of its current window. */
export interface BudgetRow {
  readonly id: string;
  readonly scope: Scope;
  readonly window: BudgetWindow;
  readonly timeZone: string | null;
  /** With the increase, while there is one. */
  readonly limitNano: number;
  /** What happens to a call whose worst case does not fit: a lower cap on its output, where that helps, or a refusal. */
  readonly onShortfall: "cap" | "refuse";
  /** What is held for a call: the most it may cost, or what it will probably cost, which may pass the limit by the rest. */
  readonly admission: "bound" | "expected";
  /** Of the limit, rising: when so much is spent, receivers of alerts are told, once a window. */
  readonly alertPercents: readonly number[];
  /** In force now; `null`: none is. */
  readonly increase: Increase | null;
  readonly createdMs: number;
  readonly windowStartMs: number;
  /** When the window ends, or of rolling hours the next part of what is spent; `null`: never. */
  readonly resetsAtMs: number | null;
  readonly spentNano: number;
  readonly heldNano: number;
}
/** More than the limit, for calls that start before `untilMs`. */
export interface Increase {
  readonly nano: number;
  readonly untilMs: number;
}
export interface BudgetChange {
  /** Without the increase. */
  readonly limitNano?: number;
  readonly onShortfall?: BudgetRow["onShortfall"];
  readonly admission?: BudgetRow["admission"];
  /** `null` ends it. */
  readonly increase?: Increase | null;
  readonly alertPercents?: readonly number[];
}

/** Each call is counted on all that are on its scopes, and whoever puts them there may be one tenant among many. */
export const maxBudgetsOnScope = 50;

export interface BudgetRepository {
  /** Throws `conflict` where there are `maxBudgetsOnScope` already. */
  create(budget: NewBudget): Awaitable<BudgetRow>;
  get(id: string): Awaitable<BudgetRow | null>;
  /** `under`: only those of accounts and keys. */
  list(query: PageQuery & { readonly scope?: Scope } & Under): Awaitable<Page<BudgetRow>>;
  /** For calls that start from then on. What is spent and held stays. `null`: no such budget. */
  change(id: string, change: BudgetChange): Awaitable<BudgetRow | null>;
  /** Starts the window anew: what started before does not count any more. `null`: no such budget. */
  reset(id: string): Awaitable<BudgetRow | null>;
  /** `false`: no such budget. What it counted stays in the ledger. */
  remove(id: string): Awaitable<boolean>;
  /**
   * Whether any budget counts calls with these scopes, and whether one of them holds only what is expected. Answers from
   * memory: it is asked on every call.
   */
  inScope(scopes: readonly Scope[]): "none" | BudgetRow["admission"];
}
