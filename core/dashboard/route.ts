import type { AliasRouteModel } from "../../views/alias-route.ts";
import type { CallContentModel } from "../../views/call-content.ts";
import type { ConfigInUse, DriftLine, PlanLine } from "../../views/config.ts";
import type { EstimateLine } from "../../views/estimates.ts";
import type { ExplainModel } from "../../views/explain.ts";
import type { DryRunModel } from "../../views/explain-form.ts";
import type { Html } from "../../views/html.ts";
import type { Shell } from "../../views/layout.ts";
import type { PluginLine } from "../../views/plugins.ts";
import type { ProviderLine } from "../../views/providers.ts";
import type { TestedLine } from "../../views/test-call.ts";
import type { TrafficLine } from "../../views/traffic.ts";
import type { OwnService, PersonService } from "../identity/people.ts";
import type { KeySessions } from "../identity/key-sessions.ts";
import type { SelfService } from "../identity/self.ts";
import type { Actor, Permission } from "../identity/policy.ts";
import type { RequestAudit } from "../identity/request-audit.ts";
import type { IssuerLogin } from "../identity/issuer-login.ts";
import type { SignIn } from "../identity/sign-in.ts";
import type { TenantDatabase } from "../identity/tenancy.ts";
import type { Awaitable, PriceListing } from "../plugin/plugin.ts";
import type { ListedPrice, ModelLine, StandingTerms, UnpricedModel } from "../storage/book.ts";
import type { AttemptReports } from "../storage/attempts.ts";
import type { BudgetRow, BudgetWindow } from "../storage/budget.ts";
import type { AccountSummary, Database, Page } from "../storage/database.ts";
import type { KeyRow } from "../storage/key.ts";
import type { PageOptions } from "./page.ts";
import type { TakenForms } from "./taken-forms.ts";
import type { LimitService } from "../identity/limits.ts";
import type { Sessions } from "../identity/sessions.ts";
import type { Throttles } from "../identity/throttle.ts";

/** What the pages read and write. */
export type DashboardDatabase = Omit<TenantDatabase, "exports">;

export interface DashboardDependencies extends PageDependencies {
  /** The same for the people of an account, who see only what it holds. */
  readonly within: (accountId: string) => PageDependencies;
  readonly keyHolders: { readonly sessions: KeySessions; readonly self: SelfService };
}
/** What pages are made of. */
export interface PageDependencies {
  readonly database: DashboardDatabase;
  readonly prices: DashboardPrices;
  readonly content: DashboardContent;
  readonly config: DashboardConfig;
  readonly explain: DashboardExplain;
  /** What was learned of each model. */
  readonly estimates: () => readonly EstimateLine[];
  readonly money: DashboardMoney;
  readonly limits: LimitService;
  readonly credentials: DashboardCredentials;
  /** How each provider does now. */
  readonly traffic: () => ReadonlyMap<string, TrafficLine>;
  readonly attempts: AttemptReports;
  /** Where its calls go now; `null`: there is no such alias. */
  readonly aliasRoute: (name: string) => AliasRouteModel["route"] | null;
  /** Makes a small call in the name of `author`. */
  readonly testCall: (model: string, author: string) => Promise<TestedLine>;
  readonly outbox: DashboardOutbox;
  /** `server.publicUrl`: where browsers find this process. */
  readonly publicUrl: string;
  /** Epoch milliseconds. */
  readonly now: () => number;
  readonly people: PersonService;
  readonly requestAudit: RequestAudit;
  readonly own: OwnService;
  readonly signIn: SignIn;
  readonly issuers: IssuerLogin;
  readonly verifyAdminToken: (token: string) => Promise<boolean>;
  /** Looks at a one-time token, and leaves it whole. */
  readonly isLoginLink: (token: string) => Promise<boolean>;
  /** `true` once for a valid one-time token, `false` ever after. */
  readonly takeLoginLink: (token: string) => Promise<boolean>;
  readonly keys: DashboardKeys;
  /** As the sessions: a reload forgets none. */
  readonly takenForms: TakenForms;
  /** Absent: what is counted is lost with the pages. */
  readonly throttles?: Throttles;
  readonly version: string;
  /** The pages, the login and the API share them, with their idle times. */
  readonly sessions: Sessions;
  /** Address of the peer, for the throttle of the login; without it all peers share one. */
  readonly clientAddress?: (request: Request) => string | null;
}
/** The config file, as the API has it. */
export interface DashboardConfig {
  state(): ConfigInUse;
  drift(): readonly DriftLine[];
  plugins(): readonly PluginLine[];
  plan(): Promise<{ readonly ok: true; readonly lines: readonly PlanLine[] } | Refused>;
  reload(by: string): Promise<{ readonly ok: true } | Refused>;
}
interface Refused {
  readonly ok: false;
  readonly problems: readonly string[];
}
/** Prompts and answers that are kept. */
export interface DashboardContent {
  read(callId: string): Promise<(Omit<CallContentModel, "csrf"> & { readonly accountId: string }) | null>;
  remove(which: { readonly callId: string }): Promise<number>;
}
/** Why calls go as they do. `null`: no such call. */
export interface DashboardExplain {
  recorded(callId: string): Promise<ExplainModel | null>;
  /** Of a call that is not made. Throws `invalid-request` with a message for the form, and `not-found`. */
  dryRun(input: unknown): Promise<DryRunModel>;
}
/** Receivers of events, and what they were told. */
export interface DashboardOutbox extends Pick<Database["outbox"], "receivers" | "alerts" | "deadLetters"> {
  /** Tries at once what failed or was given up. */
  retry(receiver: string): Awaitable<number>;
  /** `null`: the test was taken; else why not. `undefined`: no such receiver. */
  test(receiver: string): Promise<string | null | undefined>;
}
/** What the pages ask of the prices; as the API's `PriceService`. */
export interface DashboardPrices {
  list(query: {
    readonly search?: string;
    readonly source?: PriceListing["source"];
    readonly after?: string;
    readonly limit?: number;
  }): Page<ListedPrice>;
  set(input: unknown, author: string): Promise<unknown>;
  terms(query: { readonly after?: string; readonly limit?: number }): Page<StandingTerms>;
  setTerms(input: unknown, author: string): Promise<unknown>;
  remove(id: string): Promise<void>;
  unpriced(query: { readonly after?: string; readonly limit?: number }): Promise<Page<UnpricedModel>>;
  models(query: { readonly search?: string; readonly after?: string; readonly limit?: number }): Page<ModelLine>;
}
/** What the pages change, by the same rules as the API. Throws `invalid-request` with a message for the form. */
export interface DashboardMoney {
  readonly accounts: {
    create(input: unknown): Promise<AccountSummary>;
    change(id: string, input: unknown): Promise<AccountSummary | null>;
  };
  readonly budgets: {
    create(input: unknown): Promise<BudgetRow>;
    change(id: string, input: unknown): Promise<BudgetRow | null>;
  };
  readonly credits: { add(input: unknown): Awaitable<object> };
}
/** What the pages change of keys, by the same rules as the API. `null`: no such key. */
export interface DashboardKeys {
  /** Throws `invalid-request` with a message for the form; so do the others. */
  create(input: NewKeyFields): Promise<{ readonly row: KeyRow; readonly secret: string }>;
  change(id: string, input: unknown): Promise<KeyRow | null>;
  rotate(id: string, input: unknown): Promise<{ readonly row: KeyRow; readonly secret: string } | null>;
  revoke(id: string): Promise<KeyRow | null>;
}
/** Keys of upstream accounts; as the API's `CredentialService`. `null`: no such provider, or key. */
export interface DashboardCredentials {
  providers(): readonly ProviderLine[];
  create(provider: string, input: unknown): Promise<object | null>;
  change(provider: string, id: string, input: unknown): Promise<object | null>;
  remove(provider: string, id: string): Promise<boolean>;
}
export interface NewKeyFields {
  readonly name: string;
  readonly accountId: string;
  /** Absent: all. */
  readonly models?: string[];
  /** Epoch ms. Absent: never. */
  readonly expiresAt?: number;
  readonly budget?: { readonly usd: string; readonly window: BudgetWindow };
  readonly limits?: KeyRow["limits"];
  /** Whether prompts and answers are kept; absent: as its account says. */
  readonly content?: "on" | "off";
}

/** What a signed-in page gets. */
export interface Visit {
  /** Who is signed in, and may do what the page's permission says. */
  readonly actor: Actor;
  readonly request: Request;
  readonly params: Readonly<Record<string, string>>;
  readonly query: URLSearchParams;
  /** Fields of the form; empty for a GET. */
  readonly form: URLSearchParams;
  readonly csrf: string;
  /** Names the session; opens nothing. */
  readonly session: string;
  /** A whole page in the frame of this session. */
  readonly page: (
    title: string,
    section: Exclude<Shell["section"], null>,
    main: Html,
    options?: PageOptions,
  ) => Response;
  /** That there is no such object, or none for the actor. */
  readonly notFound: () => Response;
}

/** A page, or what a form on one does, for those who are signed in and have its permission. */
export interface PageRoute {
  readonly method: "GET" | "POST" | "DELETE";
  /** In Elysia's notation, e.g. `/dashboard/calls/:id`. */
  readonly path: string;
  readonly permission: Permission;
  /** Throws what it does not understand; `errorPage` answers for it. */
  readonly answer: (visit: Visit) => Promise<Response>;
}

/** A route of the dashboard as the server takes it. */
export interface DashboardRoute extends Pick<PageRoute, "method" | "path"> {
  readonly access: "public" | "session" | "key-session";
  /** What `handle` asks of whoever comes, beside a session; `null`: it is open to all. */
  readonly permission: Permission | null;
  readonly handle: (request: Request, params: Readonly<Record<string, string>>) => Promise<Response>;
}
