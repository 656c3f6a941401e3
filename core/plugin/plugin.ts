import { type Static, type TSchema, Type } from "@sinclair/typebox";
import type { FileFacts } from "./file-facts.ts";
import type { Labels } from "./labels.ts";
import type { AccountLookup, KeyLookup } from "./lookups.ts";
import type { ChatStream } from "../chat/event.ts";
import type { Json } from "../chat/json.ts";
import type { ChatRequest } from "../chat/request.ts";
import type { ChatResponse } from "../chat/response.ts";
import type { Usage } from "../chat/usage.ts";
import type { DialectName, Operation } from "../dialects/dialect.ts";
import type { Database } from "../storage/database.ts";
import type { Claim, Hold, Limits, RateLimiter } from "./limits.ts";
import type { Receiver } from "./events.ts";
import type { SlotExtras } from "./slot-extras.ts";
import type { UpstreamTraits } from "./upstream-traits.ts";
import type { BookEntry, ModelFacts, PriceListing, PriceRow, RatedTerms } from "./prices.ts";

/**
 * All a plugin author needs. A plugin module default-exports `definePlugin({…})`, or an array of them.
 *
 * Life of a plugin: defined (no side effects) → named by `use` in the operator's file → options checked and defaulted →
 * `setup`, storage first, then in file order → used → `onDispose` in reverse. A throw in `setup` stops the boot.
 */
export { GatewayError, statusOf, type ErrorKind, type Scope } from "../chat/error.ts";
export type { ChatEvent, ChatStream } from "../chat/event.ts";
export type { Json, JsonObject } from "../chat/json.ts";
export type { ChatRequest, Message, Part } from "../chat/request.ts";
export type { ChatResponse } from "../chat/response.ts";
export { limitText, periods, quantityText, subjectText } from "../chat/limit.ts";
export type { Limit, LimitScope, LimitUse, Measure, Period } from "../chat/limit.ts";
export { type ParameterName, parameterNames } from "../chat/parameters.ts";
export { noUsage, type Usage } from "../chat/usage.ts";
export type { DialectName, Operation } from "../dialects/dialect.ts";
export type { FileFacts } from "./file-facts.ts";
export { boundedText } from "./bounded-text.ts";
export { claimAt } from "./claim-at.ts";
export { type Labels, labelValue } from "./labels.ts";
export type { AccountLookup, KeyLookup } from "./lookups.ts";
export { limitOptions } from "./limit-options.ts";
export { type Claim, type Hold, limitFields, type Limits, type OwnScope, type RateLimiter } from "./limits.ts";
export { neededOf } from "./limits.ts";
export { alertTypes, usageTypes, type AlertType, type EventType, type Receiver, type ToldEvent } from "./events.ts";
export type * from "./prices.ts";
export type { SlotExtras } from "./slot-extras.ts";
export type * from "./upstream-traits.ts";
export { priceFault } from "./price-fault.ts";

/** The builder of option schemas: TypeBox, which is JSON Schema. */
export const t = Type;

export type Awaitable<T> = T | Promise<T>;

/** Every place a plugin can fill. The key is also the folder under `plugins/` and the section of the config file. */
export interface Slots {
  storage: Storage;
  provider: Provider;
  auth: Authenticator;
  "rate-limit": RateLimiter;
  billing: Biller;
  guardrail: Guardrail;
  cache: ResponseCache;
  observer: Observer;
}
export type Kind = keyof Slots;

export interface Plugin<K extends Kind = Kind, C extends TSchema = TSchema> {
  readonly kind: K;
  /** kebab-case, unique within its kind; shown in logs, errors and the dashboard. */
  readonly name: string;
  /** The plugin interface it was written for. */
  readonly api: 1;
  /** One sentence for the docs and the dashboard. */
  readonly description?: string;
  /** Schema of the options, a closed object: checked and defaulted before `setup`. Also the docs and the form. */
  readonly config: C;
  /**
   * Throws for options that each fit their schema, but not each other or what stands beside them in the file: `apiKey: …`
   * or `charges[0].fee: …`, without their values. For `check` too, so nothing is done here; `setup` gets only what passed.
   * May return the places of options that name what only the database knows, `charges[0].account`: `check` lists them.
   */
  check?(config: Static<C>, file: FileFacts): readonly string[] | void;
  /**
   * Builds the slot. Fast, no network. A throw stops the boot and disposes, in reverse, what was already set up; what is
   * thrown of an option is told at its place as that of `check`.
   */
  setup(config: Static<C>, context: Contexts[K]): Awaitable<Slots[K] & SlotExtras>;
}
export const definePlugin = <K extends Kind, C extends TSchema>(plugin: Plugin<K, C>): Plugin<K, C> => plugin;

/** All a plugin may touch of the outside world; tests pass fakes. */
export interface Context {
  /** The instance's name in the config, e.g. `openai-eu`. Two instances share nothing. */
  readonly name: string;
  readonly logger: Logger;
  /** State the plugin keeps; keys are private to the instance. */
  readonly storage: Namespace;
  /**
   * Every request to the outside goes through here. No redirect is followed. The instance's options may name every host:
   * as a URL, as `host` or as `host:port`; another one must be of the public internet, unless `server.egress.allow` in
   * the file names it.
   */
  readonly fetch: (request: Request) => Promise<Response>;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  /** Runs when nothing uses the instance any more, last registered first; also when this or a later `setup` throws. */
  onDispose(cleanup: () => Awaitable<void>): void;
}
export interface Contexts {
  /** The data folder for relative paths; no `storage` of its own, it is the storage. */
  storage: Omit<Context, "storage"> & { readonly dataDir: string };
  provider: Context;
  /** `keys` looks up the keys that core keeps, `accounts` its accounts. */
  auth: Context & { readonly keys: KeyLookup; readonly accounts: AccountLookup };
  /** `elapsed` is a clock in ms that never steps, whatever the operator or NTP does to `now`; only differences mean something. `lasting`: the same for the instance over reloads, to keep counters by in a WeakMap. */
  "rate-limit": Context & { readonly elapsed: () => number; readonly lasting: object };
  /** `prices` are the rows of the file's `prices:` section, in file order; `accounts` as of `auth`. */
  billing: Context & { readonly prices: readonly PriceRow[]; readonly accounts: AccountLookup };
  guardrail: Context;
  cache: Context;
  /** `named` tells the names of models that an operator knows from words that clients made up. `lasting` as of `rate-limit`. */
  observer: Context & { readonly named: NamedModels; readonly lasting: object };
}
/** Who names this model of a provider: the operator's file, the provider's own list or the price book; `null`: nobody. */
export type NamedModels = (provider: string, model: string) => "file" | "book" | null;

/** Of lines with the same message 20 a second are written, and how many were not; all that have none are written. */
export interface Logger {
  debug(fields: object, message?: string): void;
  info(fields: object, message?: string): void;
  warn(fields: object, message?: string): void;
  error(fields: object, message?: string): void;
}

// ── provider ──────────────────────────────────────────────────────────────────────────────────────────────────────────

/** An upstream account, in one of two forms: `request` for HTTP upstreams of a known dialect, `chat` for all others. */
export type Provider = UpstreamProvider | ModelProvider;

interface Offer {
  /** Bare model names this instance claims, so that clients need not write `instance/model`. Never a call at boot. */
  readonly models?: readonly string[];
  /** The vendor's id in the price book, e.g. `openai`; default: the instance's name. */
  readonly vendor?: string;
}

/** Core encodes, sends, times out, retries, meters and decodes; the plugin only addresses the upstream. */
export interface UpstreamProvider extends Offer, UpstreamTraits {
  /** Preferred first. The client's own dialect is used when it is listed, so nothing is translated. */
  readonly dialects: readonly [DialectName, ...DialectName[]];
  /** The HTTP request of one attempt: URL, credentials, quirks of the body. Never sends it. */
  request(attempt: Attempt): Awaitable<UpstreamRequest>;
}
export interface Attempt {
  readonly callId: string;
  readonly operation: Operation;
  readonly dialect: DialectName;
  /** The upstream's own model name; `body` names it already. */
  readonly model: string;
  /** JSON text in `dialect`, ready to send. */
  readonly body: string;
  readonly stream: boolean;
  /** How a stream is to be framed; other than `sse` only where the client asked so and speaks `dialect` itself (Gemini). */
  readonly framing: "sse" | "json-array";
  /** The client's headers that belong to the protocol (`anthropic-beta`), when it speaks `dialect` itself. Lower case. */
  readonly clientHeaders: Readonly<Record<string, string>>;
}
export interface UpstreamRequest {
  readonly url: string;
  /** Credentials included; core adds nothing and never logs them. `connection: close`: a connection of its own. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** Answers canonical calls itself: for upstreams that are not HTTP or speak no known dialect, and to wrap a library. */
export interface ModelProvider extends Offer {
  /** Keeps the event grammar of `ChatEvent`, and is left at `response-end`. Throws `GatewayError`; stops when `signal` aborts. */
  chat(request: ChatRequest, call: ModelCall): ChatStream;
}
export interface ModelCall {
  readonly callId: string;
  readonly model: string;
  readonly signal: AbortSignal;
}

// ── auth ──────────────────────────────────────────────────────────────────────────────────────────────────────────────

export interface Authenticator {
  /**
   * `null`: not my kind of credential, the next instance is asked. Throws `unauthenticated`: mine, but bad.
   * `credential` comes from whichever header or query the caller's dialect uses; core extracts it once for all. The body of
   * `request` is still to be read, by core: one that is needed here is that of a `clone()`.
   */
  authenticate(credential: string, request: Request): Awaitable<Principal | null>;
}
/** Who is calling, and on whose account. */
export interface Principal {
  /** Shown in records: a key's name, a token's `sub`. */
  readonly name: string;
  /** `null`: not a key of ours (a JWT, say). */
  readonly keyId: string | null;
  readonly accountId: string;
  /** The `auth` instance that knows who has no key: two issuers may give one `name` to two people. Core sets it. */
  readonly auth?: string;
  /** Names of models it may call, as clients write them; `*` matches any part of one. */
  readonly models: readonly string[] | "all";
  /** What it may ask for; absent: everything. */
  readonly operations?: readonly Operation[];
  /** Paths it may call, without the query; `*` matches any part of one. Absent: every one. */
  readonly routes?: readonly string[];
  readonly limits: Limits;
  /** To tell calls without a key apart in reports: at most 8, of at most 100 characters each. They decide nothing. */
  readonly labels?: Labels;
}

// ── rate-limit, billing ───────────────────────────────────────────────────────────────────────────────────────────────

export interface Biller {
  /**
   * What `usage` at `target` costs us and what we charge. Pure and synchronous. Throws `invalid-request` with the code
   * `unpriced_model` when the book has no price; core applies the operator's `unpriced` policy.
   */
  rate(usage: Usage, target: Target, atMs: number, options?: RateOptions): Rating;
  readonly policy: BillingPolicy;
  /** Models the book knows for a vendor: their names claim bare model names and fill model lists. */
  models?(vendor: string): readonly Pick<ModelFacts, "model">[];
  /** What is known of one target's size at that time; `null`: nothing. Cheap: it is asked on every call. */
  facts?(target: Target, atMs: number): ModelFacts | null;
  /** What else `facts` comes to say before a call that is held for at `atMs` is rated: mostly nothing. As cheap. */
  factsAhead?(target: Target, atMs: number): readonly ModelFacts[];
  /**
   * Takes over what was set through the API and the dashboard: all of it, at the start and after each change. An entry
   * holds from its time on; of two with the same target, and account, the later one.
   */
  adopt?(entries: readonly BookEntry[]): void;
  /**
   * Its own prices, those of `prices:` first, each with the name that the instance's calls have. For pages and lists: the
   * same array as long as nothing changes.
   */
  prices?(instances: readonly Pick<Target, "provider" | "vendor">[]): readonly PriceListing[];
  /** For credit that is kept elsewhere: called before core's own admission, and ended with it. */
  authorize?(claim: Claim, rating: Rating): Awaitable<Hold>;
}
/** What core does where money meets a gap; set by the operator in the options of the billing instance. */
export interface BillingPolicy {
  /** A target without a price: refuse the call, or let it pass with a cost of NULL. */
  readonly unpriced: "refuse" | "allow";
  /** A call whose process died: charge its expected input and none of what it may have made, its whole hold, or nothing. */
  readonly interrupted: "input" | "full" | "release";
  /** The cap on output tokens of a call that a budget holds for and that set none itself; it is sent upstream. */
  readonly uncappedOutputTokens: number;
}
export interface RateOptions {
  /** The dearest tier instead of the one that `usage` falls in: for holds. */
  readonly dearest?: boolean;
  /** With `dearest`: the call asks for no cache that is kept for an hour, which is the dearest way to take input. */
  readonly shortCache?: boolean;
  /** With `dearest`: its lines too, for people. */
  readonly itemised?: boolean;
  /** As reported by the provider, e.g. `priority`. With `dearest`: as asked for, where nobody is served `fast` unasked. */
  readonly serviceTier?: string;
  /** Who pays: the account and its parents, nearest first. */
  readonly accounts?: readonly string[];
}
/** Provider + upstream model. */
export interface Target {
  /** The instance's name. */
  readonly provider: string;
  /** Its vendor's id in the price book. */
  readonly vendor: string;
  readonly model: string;
}
/** Money in integer nano-USD (1e-9 USD), below 2^53. */
export interface Rating {
  readonly costNano: number;
  readonly chargeNano: number;
  readonly priceVersion: string;
  readonly lines: readonly RatingLine[];
  /** How the charge came of the cost; absent: they are equal. */
  readonly terms?: RatedTerms;
}
export interface RatingLine {
  /** What has a price, by its name in `ItemPrices`: `input`, `cacheRead`, `output`, `image`. */
  readonly item: string;
  readonly quantity: number;
  /** USD per million of the item, whatever it is: a decimal. */
  readonly price: string;
  /** The service tier whose own price this is; absent: the standard price. */
  readonly tier?: string;
}
// ── guardrail, cache, observer ────────────────────────────────────────────────────────────────────────────────────────

export interface Guardrail {
  /** The request to go on with. Throws `invalid-request` with the code `blocked`. */
  input?(request: ChatRequest, principal: Principal): Awaitable<ChatRequest>;
  /** Wraps the stream: may hold back, change or end it, and keeps its grammar. */
  output?(events: ChatStream, principal: Principal): ChatStream;
}
/** `key` already covers account, model and request. Only complete answers are ever set. */
export interface ResponseCache {
  get(key: string): Awaitable<ChatResponse | null>;
  set(key: string, response: ChatResponse): Awaitable<void>;
}
/** It has `callEnded`, or `receiver`, or both. */
export interface Observer {
  /** Once per call, refused ones too, after the last byte. A throw is logged and changes nothing. */
  callEnded?(record: CallRecord): Awaitable<void>;
  /** Takes events that must not get lost. */
  readonly receiver?: Receiver;
  /** Sends an invitation or a link to set a password. A throw is logged: whoever asked for the link is shown it. */
  mail?(letter: Letter, signal: AbortSignal): Awaitable<void>;
  /**
   * What this instance adds to `/metrics`. Core renders it, and leaves out a metric whose name is malformed or taken.
   * Counted as calls end, it only has to be listed here: listing runs on everybody's time.
   */
  metrics?(): Iterable<Metric>;
  /** Opens `/metrics` to whoever reaches the port; else it takes the admin token or a session. */
  readonly openMetrics?: boolean;
}
export interface Letter {
  /** One address. */
  readonly to: string;
  readonly subject: string;
  readonly text: string;
}
/** One metric, in the terms of Prometheus. */
export interface Metric {
  /** `[a-zA-Z_:][a-zA-Z0-9_:]*`; a counter's ends in `_total`, and units are in it: `_seconds`, `_bytes`. */
  readonly name: string;
  readonly type: "counter" | "gauge" | "histogram";
  readonly help: string;
  readonly series: Iterable<MetricSeries>;
}
export interface MetricSeries {
  /** Keep the object from scrape to scrape: core makes its text once. Values are bounded in number, and no secret. */
  readonly labels: Readonly<Record<string, string>>;
  /** A bigint where a sum can leave 2^53. */
  readonly value: number | bigint | Buckets;
}
/** What a histogram counted: `counts[n]` values of at most `bounds[n]` and above the bound before; the last is the rest. */
export interface Buckets {
  readonly bounds: readonly number[];
  readonly counts: readonly number[];
  readonly sum: number;
}
/** No prompt, no answer, no secret. */
export interface CallRecord {
  readonly callId: string;
  readonly principal: string | null;
  readonly keyId: string | null;
  readonly accountId: string | null;
  /** That the caller came with; `null`: none. */
  readonly labels: Labels | null;
  readonly dialect: DialectName;
  readonly operation: Operation;
  /** As asked. */
  readonly model: string;
  readonly provider: string | null;
  readonly upstreamModel: string | null;
  readonly status: string;
  /** HTTP status the client got. */
  readonly httpStatus: number;
  readonly errorKind: string | null;
  readonly usage: Usage | null;
  readonly source: string;
  readonly costNano: number | null;
  readonly chargeNano: number | null;
  readonly attempts: number;
  /** Each of them: the HTTP status, `null` when no answer came or the provider is not asked over HTTP. */
  readonly tries: readonly { readonly provider: string; readonly status: number | null }[];
  readonly stream: boolean;
  readonly startedMs: number;
  /** From the start to the first byte of the answer. */
  readonly firstByteMs: number | null;
  readonly durationMs: number;
  readonly warnings: readonly string[];
  /** It is a copy of this call, sent to a second target; absent: a client's. */
  readonly shadowOf?: string;
  /** How long each plugin's hooks took, by `kind/name`, in ms. */
  readonly timings: Readonly<Record<string, number>>;
}

// ── storage ───────────────────────────────────────────────────────────────────────────────────────────────────────────

export interface Storage {
  /** Migrates and opens. Called once, before any other plugin is set up. */
  open(): Awaitable<Database>;
}
/** Small state a plugin keeps across restarts. */
export interface Namespace {
  get(key: string): Awaitable<Json | null>;
  set(key: string, value: Json, options?: { readonly ttlMs?: number }): Awaitable<void>;
  /** Adds and returns the sum in one atomic step; `null`, and no change, when it would fall below `floor`. */
  add(
    key: string,
    delta: number,
    options?: { readonly floor?: number; readonly ttlMs?: number },
  ): Awaitable<number | null>;
}
