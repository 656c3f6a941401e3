import type { Dialect, InPath, Operation } from "../dialects/dialect.ts";
import type { Authenticator, Biller, Logger, Provider, RateLimiter } from "../plugin/plugin.ts";
import type { Instance, ObserverInstance } from "../plugin/slots.ts";
import type { Transport } from "../runtime/transport.ts";
import type { Database } from "../storage/database.ts";
import type { Breakers } from "./breaker.ts";
import type { Bulkheads } from "./bulkhead.ts";
import type { Call } from "./call.ts";
import type { InUse } from "./in-use.ts";
import type { LimitBook } from "./limit-book.ts";
import type { Idempotency } from "./idempotency.ts";
import type { ContentLog } from "./content/log.ts";
import type { Loads } from "./loads.ts";
import type { Models } from "./models.ts";
import type { Ratios } from "./ratios.ts";
import type { Overload } from "./overload.ts";
import type { Pause } from "./pause.ts";
import type { Shadows } from "./shadow.ts";
import type { RetryBudget } from "./retry-budget.ts";
import type { TimeoutBook } from "./timeouts.ts";
import type { AttemptSettings } from "./tries.ts";
import type { Tokenizer } from "./tokenizer/tokenizer.ts";
import type { Vault } from "./vault.ts";
import type { Watch } from "./watch.ts";

/**
 * What the stages work with, of one config: a call keeps those it began with, and after a reload the next gets others.
 * What lasts as long as the process is the same in all of them.
 */
export interface Services {
  readonly database: Database;
  readonly providers: ReadonlyMap<string, Provider>;
  readonly models: Models;
  readonly auth: readonly Instance<Authenticator>[];
  readonly rateLimit: readonly Instance<RateLimiter>[];
  readonly limits: LimitBook;
  readonly billing: Instance<Biller> | null;
  readonly observers: readonly ObserverInstance[];
  readonly transport: Transport;
  readonly vault: Vault;
  /** `null`: off. */
  readonly idempotency: Idempotency | null;
  readonly content: Pick<ContentLog, "begin" | "counts">;
  readonly ratios: Ratios;
  readonly tokenizer: Tokenizer;
  /** No provider is asked for anything, not even to make a request: its keys and tokens are for calls that are made. */
  readonly isDryRun?: true;
  readonly watch: Watch;
  readonly overload: Overload;
  readonly retries: RetryBudget;
  readonly breakers: Breakers;
  readonly bulkheads: Bulkheads;
  /** `null`: no alias goes by them. */
  readonly loads: Loads | null;
  readonly shadows: Shadows;
  readonly logger: Logger;
  readonly settings: GatewaySettings;
  /** Whose failed authentications are counted together; `null` where the runtime does not tell. */
  readonly addressGroupOf: (request: Request) => string | null;
  /** The request has arrived whole: from here on silence on its connection is the provider's, not the client's. */
  readonly keepOpen: (request: Request) => void;
  /** The answer is ready: silence on the connection is the client's again. */
  readonly closeIdle: (request: Request) => void;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  readonly newId: () => string;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  /** Waits between two attempts. */
  readonly pause: Pause;
  /** Set when the process drains: no new call is admitted. */
  readonly draining: { value: boolean };
  /** Who works with these services. */
  readonly inUse: InUse;
  /** Calls in flight, of this config and those before it. */
  readonly open: Set<Call>;
  /** Those of them whose client has left. */
  readonly drains: Set<Call>;
}

export interface GatewaySettings {
  readonly maxBodyBytes: number;
  readonly attempts: AttemptSettings;
  readonly timeouts: TimeoutBook;
  /** How long a client may take nothing of a stream. */
  readonly stallTimeoutMs: number;
  /** How long an answer is still read, for its usage, after the client has left; 0: not at all. */
  readonly disconnectDrainMs: number;
  /** How many such answers at once; beyond it the upstream is aborted at once. */
  readonly maxDrains: number;
}

/** What a path of the HTTP surface stands for. */
export interface Endpoint {
  readonly dialect: Dialect;
  readonly operation: Operation;
  /** What the path said of the call; absent: the body says it. */
  readonly inPath?: InPath;
  /** How events are framed for the client; absent: `sse`. Gemini's clients may ask for one JSON array instead. */
  readonly framing?: "sse" | "json-array";
}
