import type { Operation } from "../dialects/dialect.ts";

/** What an account says of its calls and of those of all accounts below it. A call must be allowed by each of them. */
export interface AccountTerms {
  /** Names as clients write them, or `instance/model`, each perhaps with `*`. */
  readonly models: readonly string[] | "all";
  /** Names of instances, each perhaps with `*`. */
  readonly providers: readonly string[] | "all";
  readonly operations: readonly Operation[] | "all";
  /**
   * What a budget holds for the output of a call that caps it nowhere; the least up the tree. `null`: it says nothing.
   */
  readonly uncappedOutputTokens: number | null;
  /** Whether its keys may give themselves a new secret. */
  readonly keyRotation: boolean;
  /** Texts of the operator's own, for conditions of aliases. Of two that are named alike the topmost account's counts. */
  readonly metadata: Readonly<Record<string, string>>;
  /** Names in it whose text people of an account set. No condition goes by them: it would send calls where they like. */
  readonly metadataBelow: readonly string[];
}

/** Of a text that changes, who says it decides whose it is. */
export type AccountTermsChange = Partial<Omit<AccountTerms, "metadataBelow">>;

/** With a new account, or with a change of one. */
export interface SaidTerms {
  /** Only what is given changes. */
  readonly terms?: AccountTermsChange;
  /** People of an account say it. */
  readonly fromBelow?: boolean;
}

export const openTerms: AccountTerms = {
  models: "all",
  providers: "all",
  operations: "all",
  uncappedOutputTokens: null,
  keyRotation: true,
  metadata: {},
  metadataBelow: [],
};

/** Few accounts have terms, and each call asks: all are in memory. They are said with the account. */
export interface AccountTermsRepository {
  isAnySet(): boolean;
  /** What it says itself; `null`: nothing. */
  of(accountId: string): AccountTerms | null;
}
