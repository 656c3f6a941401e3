import type { ConfigService } from "../api/config-service.ts";
import type { ContentAccess } from "../api/content.ts";
import type { CredentialService } from "../api/credential-service.ts";
import { explainService } from "../api/explain.ts";
import { keyHolderParts } from "../api/key-holder-parts.ts";
import { limitService } from "../api/limit-service.ts";
import { limitsWithin } from "../api/limits-within.ts";
import type { peopleParts } from "../api/people-parts.ts";
import { priceService } from "../api/price-service.ts";
import { type TenantParts, tenantParts } from "../api/tenant-parts.ts";
import { cookiePolicy, readCookie } from "../dashboard/cookie.ts";
import type { PageDependencies } from "../dashboard/route.ts";
import { handle } from "../gateway.ts";
import type { Admin } from "../identity/admin.ts";
import type { Keys } from "../identity/keys.ts";
import type { RequestAudit } from "../identity/request-audit.ts";
import type { Throttles } from "../identity/throttle.ts";
import { routingTags } from "../pipeline/conditions.ts";
import { countFailure } from "../pipeline/failed-authentications.ts";
import { reprice } from "../pipeline/reprice.ts";
import type { Services } from "../pipeline/services.ts";
import { aliasRoute } from "../pipeline/route-map.ts";
import { type TestCall, testCalls } from "../pipeline/test-call.ts";
import { trafficOf } from "../pipeline/traffic.ts";
import type { ServerDependencies } from "../server.ts";
import type { Database } from "../storage/database.ts";

export interface SurfaceParts {
  readonly services: Services;
  readonly database: Database;
  readonly keys: Keys;
  readonly admin: Admin;
  readonly credentials: CredentialService;
  readonly content: ContentAccess;
  readonly config: ConfigService;
  readonly outbox: ServerDependencies["api"]["outbox"] & PageDependencies["outbox"];
  readonly requestAudit: RequestAudit;
  readonly people: ReturnType<typeof peopleParts>;
  readonly takenForms: PageDependencies["takenForms"];
  readonly throttles?: Throttles;
  /** Whether something keeps limits and counts money; else setting one is a conflict. */
  readonly enforces: ServerDependencies["api"]["enforces"];
  readonly severalIssuers: boolean;
  readonly takesKeys: boolean;
  readonly accountsInFile: readonly string[];
  readonly publicUrl: string;
  readonly version: string;
  readonly addressOf: (request: Request) => string | null;
}

/** What people see and change: the admin API, the pages, and what holders of keys get, over one set of services. */
export function surfaceOf({
  services,
  database,
  keys,
  admin,
  credentials,
  content,
  config,
  outbox,
  requestAudit,
  people: { sessions, tokenHolder, ...people },
  takenForms,
  throttles,
  enforces,
  severalIssuers,
  takesKeys,
  accountsInFile,
  publicUrl,
  version,
  addressOf,
}: SurfaceParts): Pick<ServerDependencies, "api" | "self" | "dashboard"> {
  const { now, newId, logger, ratios } = services;
  const fromFile = { routingTags: () => routingTags(services.models.aliases()), accountsInFile: () => accountsInFile };
  const parts = { database, keys, now, newId, enforces, fromFile };
  const prices = priceService({ ...parts, ...services });
  const limits = limitService({ ...parts, book: services.limits, limiters: services.rateLimit });
  const whole = tenantParts(parts, null);
  const keyHolders = keyHolderParts({
    ...services,
    ...parts,
    service: whole.service,
    severalIssuers,
    takesKeys,
    ...(throttles && { throttles }),
  });
  const testCall = audited(testCalls(services, handle), database);
  const shared = {
    prices,
    content,
    config,
    credentials,
    testCall,
    outbox,
    ...people,
    requestAudit,
    publicUrl,
    version,
  };

  const pagesOver = ({ database: seen, service, accounts, budgets, credits, place }: TenantParts) => ({
    ...shared,
    database: seen,
    money: { accounts, budgets, credits },
    limits: place === null ? limits : limitsWithin(limits, place),
    keys: service,
    estimates: ratios.list,
    explain: explainService({ database: seen, place }, services),
    traffic: () => trafficOf(services),
    attempts: database.attempts,
    aliasRoute: (name: string) => aliasRoute(name, services),
    now,
    sessions,
    takenForms,
    ...(throttles && { throttles }),
    verifyAdminToken: (token: string) => admin.verify(token),
    isLoginLink: (token: string) => admin.isLoginLink(token),
    takeLoginLink: (token: string) => admin.takeLoginLink(token),
    clientAddress: addressOf,
  });

  return {
    api: {
      ...parts,
      ...shared,
      admin,
      limits,
      ratios,
      health: services,
      explains: services,
      reprice: ({ to = now() + 1, ...order }) => reprice({ ...order, to }, services),
      logger,
      tokenHolder,
      addressOf,
      countStranger: (request) => countFailure(request, { id: newId(), timings: {} }, services),
      async signedIn(request) {
        const policy = cookiePolicy(publicUrl, request.headers.get("host"));
        const session = await sessions.find(readCookie(request.headers.get("cookie"), policy), true);
        return session && { ...session.holder, address: addressOf(request) };
      },
    },
    self: keyHolders.self,
    dashboard: {
      ...pagesOver(whole),
      within: (accountId) => pagesOver(tenantParts(parts, accountId)),
      keyHolders,
    },
  };
}

/** The call itself is no change: what is written down is that somebody made it. */
const audited =
  (testCall: TestCall, { audit }: Pick<Database, "audit">): TestCall =>
  async (model, author) => {
    const tested = await testCall(model, author);
    const { callId, httpStatus } = tested;
    const after = { callId, httpStatus };
    await audit.add({
      action: "model.test",
      object: { kind: "model", id: model },
      accountId: null,
      before: null,
      after,
    });
    return tested;
  };
