import type { Scope } from "../chat/error.ts";
import type { Usage } from "../chat/usage.ts";
import type { Nano } from "./nano.ts";
import type { DialectName, Operation } from "../dialects/dialect.ts";
import type { Labels } from "../plugin/labels.ts";
import type { Awaitable, Namespace } from "../plugin/plugin.ts";
import type { AccountTermsRepository, SaidTerms } from "./account-terms.ts";
import type { AttemptReports } from "./attempts.ts";
import type { AuditRepository } from "./audit.ts";
import type { AttemptRow } from "./attempt-row.ts";
import type { BudgetRepository, BudgetRow } from "./budget.ts";
import type { Adjustment, AdjustmentRepository } from "./adjustment.ts";
import type { BookRepository } from "./book.ts";
import type { CredentialRepository } from "./credential.ts";
import type { LimitRepository } from "./limit.ts";
import type { CallNotes } from "./call-notes.ts";
import type { CallWhy, HeldOn } from "./call-why.ts";
import type { DatabaseLoad, Proof, Retention } from "./condition.ts";
import type { ContentRepository, ContentSetting } from "./content.ts";
import type { CreditRepository } from "./credit.ts";
import type { ExportRepository } from "./export.ts";
import type { AnswerRepository } from "./kept-answer.ts";
import type { PeopleRepository, SessionRepository } from "./people.ts";
import type { KeyRepository } from "./key.ts";
import type { UsageRanking, UsageRankingQuery } from "./ranking.ts";
import type { Latency } from "./latency.ts";
import type { OutboxRepository } from "./outbox.ts";

export type { CallNotes } from "./call-notes.ts";
export type { DatabaseLoad, Proof, Retention } from "./condition.ts";

/**
 * All that is kept. Each method is one transaction and is atomic; none hands out a transaction. Times are epoch
 * milliseconds UTC, ids our own UUIDv7, money integer nano-USD. Lists are newest first.
 */
export interface Database {
  readonly settings: SettingRepository;
  readonly accounts: AccountRepository;
  readonly accountTerms: AccountTermsRepository;
  readonly keys: KeyRepository;
  readonly budgets: BudgetRepository;
  readonly credits: CreditRepository;
  readonly ledger: LedgerRepository;
  readonly calls: CallRepository;
  readonly attempts: AttemptReports;
  readonly adjustments: AdjustmentRepository;
  readonly book: BookRepository;
  readonly content: ContentRepository;
  readonly limits: LimitRepository;
  readonly credentials: CredentialRepository;
  readonly exports: ExportRepository;
  readonly people: PeopleRepository;
  readonly outbox: OutboxRepository;
  readonly sessions: SessionRepository;
  readonly answers: AnswerRepository;
  readonly audit: AuditRepository;
  /** State of one plugin instance. */
  namespace(name: string): Namespace;
  /** `null`: can serve. Otherwise why not, in words for `/readyz`. */
  trouble(): string | null;
  /** What waits and what is held now, from memory: it is read at every scrape of `/metrics`. */
  load(): DatabaseLoad;
  /** How long calls are kept, and which are gone for their age. */
  retention(): Awaitable<Retention>;
  /**
   * Writes the file anew, so that it can give back what it does not need, without names that only deleted calls had; returns
   * how many bytes it gave back now. Blocks: not while it serves.
   */
  compact(): Awaitable<number>;
  /** The equalities of the ledger, proved by sums over all rows; for `doctor`. Slow on purpose. */
  prove(): Awaitable<readonly Proof[]>;
  close(): Awaitable<void>;
}

export interface Page<Row> {
  readonly data: readonly Row[];
  /** Pass as `after` for the next page; `null` at the end. */
  readonly next: string | null;
}
export interface Under {
  /** Only of this account and of those below it now; nothing for an unknown one. */
  readonly under?: string;
}
export interface PageQuery {
  readonly after?: string | null;
  /** 1…200; default 50. */
  readonly limit?: number;
}

/** Single values, e.g. the hash of the admin token. */
export interface SettingRepository {
  get(name: string): Awaitable<string | null>;
  set(name: string, value: string): Awaitable<void>;
  /** Deletes and says whether it was there with this value: a one-time token is used once. */
  take(name: string, value: string): Awaitable<boolean>;
}

export interface AccountRow {
  readonly id: string;
  readonly parentId: string | null;
  readonly name: string;
  readonly createdMs: number;
}
export interface AccountSummary extends AccountRow {
  /** Accounts right below it. */
  readonly children: number;
  /** Its own keys that are not revoked. */
  readonly keys: number;
  /** It was itself told to take no calls. */
  readonly disabled: boolean;
}
export interface AccountChange extends SaidTerms {
  readonly name?: string;
  readonly parentId?: string | null;
  readonly disabled?: boolean;
  /** Whether prompts and answers are kept. */
  readonly content?: ContentSetting | null;
}
export interface AccountRepository {
  get(id: string): Awaitable<AccountSummary | null>;
  /** Whether there is one, and its name, without what is below it: from memory for one found before. */
  find(id: string): Awaitable<AccountRow | null>;
  /** `parentId`: only those right below it; `null`: only roots. */
  list(query: PageQuery & { readonly parentId?: string | null } & Under): Awaitable<Page<AccountSummary>>;
  /**
   * The account and those above it, nearest first, for calls that start at `atMs`, or else as it is now, whatever the clock
   * said when it was moved; empty for an unknown id. From memory.
   */
  lineage(id: string, atMs?: number): Awaitable<readonly AccountRow[]>;
  /** The same of a call that started at `atMs` and was made: its account may have been removed since. */
  countedLine(id: string, atMs: number): Awaitable<readonly AccountRow[]>;
  /**
   * The id of the account with this id, or else of the only one at the top with this name, or on this path of names from
   * there (`Org/Team`); `null`: none, or several. From memory for one found before: tokens name theirs on every call.
   */
  idOf(word: string): Awaitable<string | null>;
  /** Why `idOf` found none, to be told. */
  whyNot(word: string): Awaitable<string>;
  /** Whether it was itself told to take no calls; those below a disabled one take none either. From memory. */
  isDisabled(id: string): boolean;
  /** Throws `not-found` for an unknown parent and `invalid-request` when it would be too deep; so does `change`. */
  create(account: AccountRow, said?: Pick<AccountChange, "content"> & SaidTerms): Awaitable<AccountSummary>;
  /**
   * Moves it with all below it, for calls that start from then on; those in flight end where they were admitted.
   * `null`: no such account. Throws `invalid-request` when it would be below itself.
   */
  change(id: string, change: AccountChange): Awaitable<AccountSummary | null>;
  /** `false`: no such account. Throws `conflict` for `default` and while it has accounts, keys or budgets. */
  remove(id: string): Awaitable<boolean>;
}

// ── the life of a call ────────────────────────────────────────────────────────────────────────────────────────────────

export type CallStatus = "open" | "ok" | "client_aborted" | "upstream_error" | "refused" | "interrupted" | "shutdown";
export type UsageSource = "provider" | "drained" | "estimated" | "none";

/** What is known of a call before it is sent. */
export interface CallStart {
  readonly callId: string;
  readonly startedMs: number;
  readonly accountId: string;
  readonly keyId: string | null;
  readonly principal: string;
  /** JSON of what its caller came with; `null`: no labels. */
  readonly labels: string | null;
  readonly dialect: DialectName;
  readonly operation: Operation;
  /** As asked. */
  readonly model: string;
  readonly stream: boolean;
}
export interface Admission extends CallStart {
  /** The first target of the route. */
  readonly provider: string;
  readonly upstreamModel: string;
  /** Every scope whose budgets must hold this call; empty: nobody pays for it, and none counts it. */
  readonly scopes: readonly Scope[];
  readonly need: Need;
  /** `need` was worked out for a call that a budget counts: its output has a cap. */
  readonly budgeted: boolean;
  /** What is charged should this process die: the tokens expected of the input, and their price; `null` if unpriced. */
  readonly ifInterrupted: {
    readonly inputTokens: number;
    readonly costNano: number;
    readonly chargeNano: number;
    readonly priceVersion: string;
  } | null;
}
/** The most a call may cost. */
export interface Need {
  /** For the input, and all that does not depend on the output. */
  readonly inputNano: number;
  /** For `outputTokens` tokens of output. */
  readonly outputNano: number;
  /** The cap on the output, all candidates together. */
  readonly outputTokens: number;
  /** When the whole does not fit, the cap may be lowered to this; equal to `outputTokens` where it may not. */
  readonly leastOutputTokens: number;
  /** What it will probably cost; absent: the whole. Only for budgets that hold no more. */
  readonly expectedNano?: number;
}
export type AdmitResult =
  | {
      readonly admitted: true;
      /** The most that is held on a budget in scope; 0 when there is none. */
      readonly heldNano: number;
      /** The cap that the hold covers, all candidates together; below what was asked when the budget is short. */
      readonly outputTokens: number;
      readonly holds: readonly HeldOn[];
    }
  /**
   * A budget came into scope after the need was worked out without one, or the account was moved after the scopes were:
   * work them out again.
   */
  | { readonly admitted: false; readonly outdated: true }
  | {
      readonly admitted: false;
      readonly outdated?: false;
      readonly budget: BudgetRow;
      /** It is the balance of its account. */
      readonly prepaid: boolean;
      /** What would have to be free for this call, with its output's cap as low as it may be. */
      readonly neededNano: number;
      /** The cap on the output that would fit now, all candidates together. */
      readonly fittingOutputTokens: number;
    };

/** The end of an admitted call. */
export interface Final {
  readonly callId: string;
  /** `refused`: after it was admitted, but before anything was sent. Its cost is `null`, as that of every refused call. */
  readonly status: Exclude<CallStatus, "open">;
  readonly source: UsageSource;
  readonly provider: string;
  readonly upstreamModel: string;
  readonly usage: Usage | null;
  /** `null`: the target has no price. */
  readonly costNano: number | null;
  readonly chargeNano: number | null;
  readonly priceVersion: string | null;
  readonly finishReason: string | null;
  readonly httpStatus: number;
  readonly errorKind: string | null;
  readonly attempts: readonly AttemptRow[];
  readonly firstByteMs: number | null;
  readonly finishedMs: number;
  readonly notes: CallNotes | null;
}
export interface Refusal extends CallStart {
  readonly provider: string | null;
  readonly upstreamModel: string | null;
  readonly httpStatus: number;
  readonly errorKind: string;
  readonly finishedMs: number;
  readonly notes: CallNotes | null;
}
/** What a call is charged whose end is not known: the expected input, the whole hold, or nothing. */
export type InterruptedPolicy = "input" | "full" | "release";
export interface LedgerRepository {
  /** Opens the call and holds its need on every budget in scope, or does nothing. Never lets spent + held exceed a limit. */
  admit(admission: Admission): Awaitable<AdmitResult>;
  /** What `admit` would answer now. Changes nothing: credit that has expired and was not taken out yet still counts. */
  preview(admission: Admission): AdmitResult;
  /** The final record, the end of every hold, and the ledger entry. Once per call: a second time does nothing. */
  finish(final: Final): Awaitable<void>;
  /** A row for a call that was not admitted; from the 61st a minute and key on it is only counted. */
  refuse(refusal: Refusal): Awaitable<void>;
  /** Says that this process lives, until then at least: its open calls are its own. */
  lease(nowMs: number, untilMs: number): Awaitable<void>;
  /** Ends the open calls of processes that are dead, or whose lease is over, as `interrupted`. Returns how many. */
  sweep(policy: InterruptedPolicy, nowMs: number): Awaitable<number>;
  /**
   * The same for calls of this process that were admitted before `beforeMs` and that nobody works on, when it is so for the
   * second time: a fault of ours, or a final record that could not be kept. Returns their ids.
   */
  sweepStrays(
    policy: InterruptedPolicy,
    nowMs: number,
    strays: { readonly beforeMs: number; readonly isLive: (callId: string) => boolean },
  ): Awaitable<readonly string[]>;
}

// ── reports ───────────────────────────────────────────────────────────────────────────────────────────────────────────

/** A row of `v_usage`, as a page and the API show it. */
export interface CallRow {
  readonly callId: string;
  readonly accountId: string;
  readonly keyId: string | null;
  readonly principal: string;
  /** That its caller came with, who had no key; `null`: none. */
  readonly labels: Labels | null;
  readonly dialect: string;
  readonly operation: string;
  readonly model: string;
  readonly provider: string | null;
  readonly upstreamModel: string | null;
  readonly status: CallStatus;
  readonly source: UsageSource | null;
  readonly inputTokens: number | null;
  readonly cacheReadTokens: number | null;
  readonly cacheWriteTokens: number | null;
  readonly cacheWrite1hTokens: number | null;
  readonly outputTokens: number | null;
  readonly reasoningTokens: number | null;
  /** `null`: not known, or beside a charge: not told to whoever asks. */
  readonly costNano: number | null;
  readonly chargeNano: number | null;
  readonly priceVersion: string | null;
  readonly finishReason: string | null;
  readonly stream: boolean;
  readonly ttftMs: number | null;
  readonly durationMs: number | null;
  readonly createdMs: number;
  readonly finishedMs: number | null;
}
export interface CallDetail extends CallRow {
  readonly httpStatus: number | null;
  readonly errorKind: string | null;
  /** Held at admission on each budget in scope. */
  readonly heldNano: number;
  readonly attempts: readonly AttemptRow[];
  readonly notes: CallNotes | null;
  /** `null`: nothing of it was recorded. */
  readonly why: CallWhy | null;
  /** What re-rating has changed, oldest first; cost and charge above have it in them. */
  readonly adjustments: readonly Adjustment[];
  /** How often its answer was replayed to its `Idempotency-Key`, while that is remembered. */
  readonly replays: number;
}
export interface CallFilter extends Under {
  readonly key?: string;
  readonly account?: string;
  readonly model?: string;
  readonly provider?: string;
  readonly status?: CallStatus;
  readonly from?: number;
  readonly to?: number;
  /** Only of who called without a key of ours. */
  readonly caller?: Caller;
}
/** Who has no key of ours, by the name that an account's calls were recorded under. */
export interface Caller {
  readonly accountId: string;
  readonly name: string;
}
export type GroupField = "key" | "account" | "model" | "provider" | "status" | "day" | "hour" | LabelField;
/** A label that callers came with, or of that name in the metadata of their keys. */
export type LabelField = `label:${string}`;
export interface UsageRange extends Under {
  readonly from: number;
  readonly to: number;
  /** Only of this key; nothing for an unknown one. */
  readonly key?: string;
  /** Only of who called without a key of ours. No rollup knows them: each call of the range is looked at. */
  readonly caller?: Caller;
  readonly groupBy: readonly GroupField[];
}
export interface UsageSum {
  readonly calls: number;
  /** Calls that ended other than `ok` (refused ones too). */
  readonly errors: number;
  readonly inputTokens: number;
  readonly outputTokens: number;
  readonly cacheReadTokens: number;
  readonly cacheWriteTokens: number;
  readonly reasoningTokens: number;
  /** `null`: not told to whoever asks. */
  readonly costNano: Nano | null;
  readonly chargeNano: Nano;
}
export interface UsageGroup extends UsageSum {
  /**
   * Present when grouped by it: key id or `null`, account id, model, provider, status, start of the day or hour in ms, a
   * label's value or `null`.
   */
  readonly group: Readonly<Partial<Record<GroupField, string | number | null>>>;
}
export interface CallRepository {
  list(filter: CallFilter, query: PageQuery): Awaitable<Page<CallRow>>;
  get(callId: string): Awaitable<CallDetail | null>;
  /** Finished and refused calls admitted in `[from, to)`. */
  usage(range: UsageRange): Awaitable<{
    readonly data: readonly UsageGroup[];
    readonly total: UsageSum;
  }>;
  /** Of the same calls, with the same total. */
  ranking(query: UsageRankingQuery): Awaitable<UsageRanking>;
  /** How long the calls admitted in `[from, to)` took. */
  latency(range: { readonly from: number; readonly to: number }): Awaitable<Latency>;
  /** Open calls now. */
  openCount(query?: Under): Awaitable<number>;
}
