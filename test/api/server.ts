import type { ContentAccess } from "../../core/api/content.ts";
import { fakeConfig } from "../support/fake-config.ts";
import { aReceiver, fakeOutbox } from "../support/fake-outbox.ts";
import { credentialParts } from "../../core/api/credential-service.ts";
import { keyRing } from "../../core/runtime/seal.ts";
import { peopleParts } from "../../core/api/people-parts.ts";
import { createEgress } from "../../core/runtime/egress.ts";
import { adminOf } from "../../core/identity/admin.ts";
import { type Holder, operator } from "../../core/identity/policy.ts";
import { createSessions } from "../../core/identity/sessions.ts";
import { createRequestAudit } from "../../core/identity/request-audit.ts";
import type { Sessions } from "../../core/identity/sessions.ts";
import { keysOf } from "../../core/identity/keys.ts";
import type { Route } from "../../core/front.ts";
import { routesOf, serverOf } from "../../core/server.ts";
import type { ExportRepository } from "../../core/storage/export.ts";
import { anId } from "../contract/storage-samples.ts";
import { type Bench, type BenchOptions, benches, usualBreaker } from "../pipeline/bench.ts";
import { createTakenForms } from "../../core/dashboard/taken-forms.ts";
import { surfaceOf } from "../../core/commands/surface.ts";

/** The whole surface over a real database, without a socket. */
export interface Api extends Bench {
  readonly routes: readonly Route[];
  /** Who holds which token beside the admin's own; a test adds to them. */
  readonly holders: Map<string, Holder>;
  readonly sessions: Sessions;
  readonly send: (method: string, path: string, options?: Sent) => Promise<Response>;
  /** With the admin token; the status and the parsed body. */
  readonly admin: (method: string, path: string, body?: unknown) => Promise<Answered>;
  /** As text, so that what JSON cannot say can be sent. */
  readonly adminText: (method: string, path: string, text: string) => Promise<Answered>;
}
export interface Sent {
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}
export interface Answered {
  readonly status: number;
  readonly text: string;
  readonly headers: Headers;
  // What an endpoint answers is for the test to say.
  readonly body: ReturnType<typeof JSON.parse>;
}
export interface ApiOptions extends BenchOptions {
  /** In the place of the database's own. */
  readonly exports?: ExportRepository;
  readonly enforces?: { readonly limits: boolean; readonly budgets: boolean };
  /** Prompts and answers that are kept; default: none are. */
  readonly kept?: ContentAccess;
}

export const adminToken = "admin-token-of-these-tests";
/** What stands for a signed-in person here. */
export const sessionCookie = "session=of-these-tests";
const json = { "content-type": "application/json" };

const nothingKept: ContentAccess = { read: async () => null, remove: async () => 0 };

export function apis(): (options?: ApiOptions) => Promise<Api> {
  const newBench = benches();
  return async ({
    enforces = { limits: true, budgets: true },
    exports,
    kept: content = nothingKept,
    ...options
  } = {}) => {
    const bench = await newBench(options);
    const { clock } = bench;
    const database = { ...bench.database, ...(exports && { exports }) };
    const keys = keysOf({
      repository: database.keys,
      pepper: Buffer.alloc(32, 1),
      now: clock.now,
      addressOf: () => "203.0.113.5",
    });
    const auth = [{ name: "api-key", slot: { authenticate: keys.find } }];
    const services = { ...bench.services, auth };
    const { service: credentials, prepare } = credentialParts({
      repository: database.credentials,
      ring: keyRing(Buffer.alloc(32, 3), []),
      logger: services.logger,
      now: clock.now,
      elapsed: clock.now,
      newId: anId,
      random: () => 0,
      breaker: usualBreaker,
    });
    const prepared = await prepare(
      Object.entries(options.providers ?? {}).map(([name, slot]) => ({
        name,
        plugin: name,
        slot,
        baseUrl: null,
        apiKey: null,
        withKey: null,
      })),
    );
    prepared.adopt();
    const admin = adminOf(database, adminToken, clock.now);
    const publicUrl = "http://gateway.test";
    const requestAudit = createRequestAudit(database.audit, { logger: services.logger, now: clock.now });
    const holders = new Map<string, Holder>();
    const people = peopleParts({
      database,
      sessions: createSessions(database.sessions, clock.now),
      login: { passwords: true, oidc: {} },
      egress: createEgress({ allow: [], now: clock.now }),
      keyOf: () => Buffer.alloc(32, 2),
      observers: [],
      publicUrl,
      logger: services.logger,
      now: clock.now,
      newId: anId,
    });
    const surface = surfaceOf({
      services,
      database,
      keys,
      admin,
      credentials,
      content,
      config: fakeConfig(),
      outbox: {
        ...fakeOutbox({ receivers: [aReceiver()] }),
        test: async (name) => (name === "broken" ? "HTTP 500" : name === "ops" ? null : undefined),
      },
      requestAudit,
      takenForms: createTakenForms(clock.now),
      people,
      enforces,
      severalIssuers: false,
      takesKeys: true,
      accountsInFile: [],
      publicUrl,
      version: "0.0.0",
      addressOf: () => "203.0.113.5",
    });
    const { tokenHolder } = surface.api;
    const dependencies: Parameters<typeof serverOf>[0] = {
      ...surface,
      services,
      troubles: () => [],
      webhooks: new Map(),
      outbox: { metrics: async () => [] },
      strays: { count: 0 },
      lag: { read: () => ({ lastMs: 1, maxMs: 20 }) },
      api: {
        ...surface.api,
        tokenHolder: async (token) => holders.get(token) ?? (await tokenHolder?.(token)) ?? null,
        signedIn: async (request) =>
          request.headers.get("cookie") === sessionCookie ? { ...operator, address: "203.0.113.5" } : null,
      },
    };
    const serve = serverOf(dependencies);
    const send = async (method: string, path: string, { headers = {}, body }: Sent = {}) =>
      serve(new Request(`${publicUrl}${path}`, { method, headers, ...(body === undefined ? {} : { body }) }));
    const adminText = async (method: string, path: string, text: string | undefined): Promise<Answered> => {
      const headers = { authorization: `Bearer ${adminToken}`, ...(text === undefined ? {} : json) };
      const response = await send(method, path, { headers, ...(text === undefined ? {} : { body: text }) });
      const answered = await response.text();
      return {
        status: response.status,
        headers: response.headers,
        text: answered,
        body: answered === "" ? null : JSON.parse(answered),
      };
    };
    return {
      ...bench,
      services,
      routes: routesOf(dependencies),
      holders,
      sessions: surface.dashboard.sessions,
      send,
      adminText,
      admin: (method, path, body) => adminText(method, path, body === undefined ? undefined : JSON.stringify(body)),
    };
  };
}
