import type { KeptContent } from "../../core/pipeline/content/log.ts";
import { accountService } from "../../core/api/accounts.ts";
import { KeyChangeSchema, RotationSchema } from "../../core/api/key-schemas.ts";
import { checked } from "../../core/api/route.ts";
import { budgetService } from "../../core/api/budget-service.ts";
import type { LimitService } from "../../core/identity/limits.ts";
import { creditService } from "../../core/api/ledger.ts";
import { GatewayError } from "../../core/chat/error.ts";
import type { DashboardDependencies } from "../../core/dashboard/route.ts";
import { dashboardRoutes } from "../../core/dashboard/routes.ts";
import { errorPage } from "../../core/dashboard/page.ts";
import { createTakenForms } from "../../core/dashboard/taken-forms.ts";
import { createSessions, type Sessions } from "../../core/identity/sessions.ts";
import type { KeyRow } from "../../core/storage/key.ts";
import { fakePrices } from "../support/fake-book.ts";
import { fakeLimits } from "../support/fake-limits.ts";
import { fakeOutbox } from "../support/fake-outbox.ts";
import { fakeConfig } from "../support/fake-config.ts";
import { fakePeople } from "../support/fake-people.ts";
import { fakeDatabase, type FakeDatabase, type Seed } from "../support/fake-database.ts";
import { noRequestAudit } from "../support/no-request-audit.ts";

export interface Site {
  readonly database: FakeDatabase;
  readonly limits: LimitService;
  /** Moves when a test says so. */
  readonly clock: { nowMs: number };
  readonly sessions: Sessions;
  readonly fetch: (request: Request) => Promise<Response>;
}
export interface SiteOptions {
  readonly estimates?: ReturnType<DashboardDependencies["estimates"]>;
  readonly publicUrl?: string;
  readonly seed?: Seed;
  /** Prompts and answers that are kept; removing one takes it out of the list. */
  readonly kept?: KeptContent[];
  readonly outbox?: DashboardDependencies["outbox"];
  readonly clientAddress?: DashboardDependencies["clientAddress"];
  readonly credentials?: DashboardDependencies["credentials"];
  readonly traffic?: DashboardDependencies["traffic"];
  readonly attempts?: DashboardDependencies["attempts"];
  readonly aliasRoute?: DashboardDependencies["aliasRoute"];
  /** Why each call went as it did. */
  readonly recorded?: Awaited<ReturnType<DashboardDependencies["explain"]["recorded"]>>;
}

export const noCredentials: DashboardDependencies["credentials"] = {
  providers: () => [],
  create: async () => null,
  change: async () => null,
  remove: async () => false,
};

const nothing = { ok: 0, failed: 0, limited: 0, refused: 0, left: 0, firstByteMs: null };
export const noAttempts: DashboardDependencies["attempts"] = {
  report: () => ({ stepMs: 60_000, steps: [], models: [], moreModels: false, total: nothing, sinceMs: null }),
  lastDay: () => new Map(),
};

export const adminToken = "admin-token-of-this-test";
export const startMs = Date.UTC(2025, 10, 23, 14, 26, 5);

/** The dashboard's routes over a database in memory, found by method and path as the server does. */
export function site({
  publicUrl = "http://localhost:8787",
  seed = {},
  estimates = [],
  kept = [],
  outbox = fakeOutbox(),
  clientAddress,
  credentials = noCredentials,
  traffic = () => new Map(),
  attempts = noAttempts,
  aliasRoute = () => null,
  recorded = null,
}: SiteOptions = {}): Site {
  const database = fakeDatabase(seed);
  const clock = { nowMs: startMs };
  const sessions = createSessions(database.sessions, () => clock.nowMs);
  const links = new Set(["link-1", "link-2", "link-3", "link-4"]);
  const parts = {
    database,
    now: () => clock.nowMs,
    newId: () => crypto.randomUUID(),
    enforces: { limits: true, budgets: true },
  };
  const limitsHere = fakeLimits(database, parts.now);
  const routes = dashboardRoutes({
    database,
    ...fakePeople(),
    within: () => {
      throw new Error("nobody here belongs to an account");
    },
    money: { accounts: accountService(parts), budgets: budgetService(parts), credits: creditService(parts) },
    content: {
      read: async (callId) => kept.find((content) => content.callId === callId) ?? null,
      async remove(which) {
        const at = kept.findIndex((content) => "callId" in which && content.callId === which.callId);
        return at < 0 ? 0 : kept.splice(at, 1).length;
      },
    },
    limits: limitsHere,
    credentials,
    config: fakeConfig(),
    traffic,
    explain: {
      recorded: async () => recorded,
      dryRun: async () => {
        throw new GatewayError("not-found", "no such object");
      },
    },
    attempts,
    aliasRoute,
    testCall: () => Promise.reject(new Error("not reached")),
    outbox,
    prices: fakePrices(() => clock.nowMs, seed.unpriced, database.accounts),
    estimates: () => estimates,
    publicUrl,
    now: () => clock.nowMs,
    verifyAdminToken: async (token) => token === adminToken,
    isLoginLink: async (token) => links.has(token),
    takeLoginLink: async (token) => links.delete(token),
    keys: {
      async create({ name, accountId, models = [], expiresAt: expiresMs = null, budget, limits = {}, content }) {
        if (budget !== undefined && !(Number(budget.usd) > 0))
          throw new GatewayError("invalid-request", `A budget must be above 0, not "${budget.usd}".`);
        const id = crypto.randomUUID();
        const row = await database.keys.create(
          {
            id,
            accountId,
            name,
            prefix: "sk-llmp-NewNewNewNew",
            last4: "9xYz",
            models: models.length > 0 ? models : "all",
            limits,
            cidrs: [],
            imported: false,
            operations: "all",
            routes: "all",
            metadata: {},
            declaredAs: null,
            expiresMs,
            createdMs: clock.nowMs,
            digest: id,
          },
          budget === undefined
            ? null
            : {
                id: crypto.randomUUID(),
                scope: { kind: "key", id },
                window: budget.window,
                limitNano: Number(budget.usd) * 1e9,
                createdMs: clock.nowMs,
              },
          content,
        );
        return { row, secret: newSecret };
      },
      async change(id, input) {
        const { disabled, expiresAt, ...change } = checked(KeyChangeSchema, input);
        return database.keys.change(id, {
          ...(disabled !== undefined && { disabledMs: disabled ? clock.nowMs : null }),
          ...(expiresAt !== undefined && { expiresMs: expiresAt }),
          ...(change.name !== undefined && { name: change.name }),
          ...(change.models !== undefined && { models: change.models ?? "all" }),
          ...(change.operations !== undefined && { operations: change.operations ?? "all" }),
          ...(change.routes !== undefined && { routes: change.routes ?? "all" }),
          ...(change.cidrs !== undefined && { cidrs: change.cidrs }),
          ...(change.metadata !== undefined && { metadata: change.metadata }),
        });
      },
      async rotate(id, input) {
        checked(RotationSchema, input);
        const secret = { digest: crypto.randomUUID(), prefix: "sk-llmp-NewNewNewNew", last4: "9xYz", imported: false };
        const row = await database.keys.rotate(id, secret, clock.nowMs, clock.nowMs);
        return row && { row, secret: newSecret };
      },
      revoke: async (id) => database.keys.revoke(id, clock.nowMs),
    },
    version: "0.1.0",
    requestAudit: noRequestAudit,
    sessions,
    takenForms: createTakenForms(() => clock.nowMs),
    ...(clientAddress && { clientAddress }),
  });
  return {
    database,
    limits: limitsHere,
    clock,
    sessions,
    async fetch(request) {
      const { pathname } = new URL(request.url);
      for (const route of routes) {
        const params = route.method === request.method ? match(route.path, pathname) : null;
        if (params !== null) return route.handle(request, params);
      }
      return errorPage(request, 404, "0.1.0");
    },
  };
}

export const newSecret = `sk-llmp-NewNewNewNew-${"s".repeat(39)}9xYzcrc32a`;

export const keyRow = (id: string, name: string, more: Partial<KeyRow> = {}): KeyRow => ({
  id,
  accountId: "default",
  name,
  prefix: `sk-llmp-${id.padEnd(12, "0").slice(0, 12)}`,
  last4: "aB3d",
  models: "all",
  imported: false,
  operations: "all",
  routes: "all",
  metadata: {},
  disabledMs: null,
  declaredAs: null,
  limits: {},
  cidrs: [],
  expiresMs: null,
  revokedMs: null,
  createdMs: startMs - 5 * 86_400_000,
  lastUsedMs: null,
  ...more,
});

function match(pattern: string, path: string): Record<string, string> | null {
  const wanted = pattern.split("/");
  const given = path.split("/");
  if (wanted.length !== given.length) return null;
  const params: Record<string, string> = {};
  for (const [index, part] of wanted.entries()) {
    const value = given[index] ?? "";
    if (part.startsWith(":")) params[part.slice(1)] = decodeURIComponent(value);
    else if (part !== value) return null;
  }
  return params;
}
