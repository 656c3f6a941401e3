import { GatewayError } from "../chat/error.ts";
import type { DialectName } from "../dialects/dialect.ts";
import { areLabels } from "../plugin/labels.ts";
import { areLimits } from "../plugin/limit-rules.ts";
import type { Principal } from "../plugin/plugin.ts";
import type { Call } from "./call.ts";
import { closedHook } from "./hook.ts";
import { countFailure } from "./failed-authentications.ts";
import type { Services } from "./services.ts";

/**
 * The first instance that knows the credential says who calls. Needs no body, so a stranger costs next to nothing. Who
 * shows none that holds is counted by address: a good key from the same address works all the same.
 */
export async function authenticate(request: Request, call: Call, services: Services): Promise<Principal> {
  try {
    const credential = credentialFor(request, call.endpoint.dialect.name);
    if (credential === null) throw new GatewayError("unauthenticated", "no API key given");
    const context = { logger: services.logger, timings: call.timings };
    for (const { name, slot } of services.auth) {
      const told = closedHook(context, "auth", name, "authenticate", () => slot.authenticate(credential, request));
      // Most know at once: an `await` for what is there takes a turn of its own.
      const principal = told instanceof Promise ? await told : told;
      if (principal === null) continue;
      if (!isPrincipal(principal)) {
        services.logger.error({ plugin: `auth/${name}` }, "a plugin told no whole principal; the call is refused");
        throw new GatewayError("unauthenticated", "invalid API key");
      }
      return principal.keyId === null ? toldBy(name, principal) : principal;
    }
    throw new GatewayError("unauthenticated", "invalid API key");
  } catch (error) {
    if (error instanceof GatewayError && error.kind === "unauthenticated") await countFailure(request, call, services);
    throw error;
  }
}

/** Each time anew: a plugin may keep its principals, and what it wrote there itself is not believed. */
function toldBy(auth: string, told: Principal): Principal {
  const { name, keyId, accountId, models, operations, routes, limits, labels } = told;
  return {
    name,
    keyId,
    accountId,
    auth,
    models,
    ...(operations && { operations }),
    ...(routes && { routes }),
    limits,
    ...(labels && { labels }),
  };
}

const bearer = /^bearer +(\S+)$/i;
const keyHeaders = ["x-api-key", "api-key", "x-goog-api-key"];

/** Gemini's clients may put their key into the address: `?key=`. It goes no further, neither upstream nor into a log. */
const queryKeys = (url: string): readonly string[] =>
  url.includes("?") ? new URL(url).searchParams.getAll("key") : [];

/** What a caller shows, wherever its dialect lets it. */
export const credentialFor = (request: Request, dialect: DialectName): string | null =>
  credentialOf(request.headers, dialect === "gemini" ? queryKeys(request.url) : []);

/**
 * One extractor for all dialects. Two different credentials in one request are none: neither may win.
 * `others`: those that came elsewhere than in a header.
 */
export function credentialOf(headers: Headers, others: readonly string[] = []): string | null {
  const authorization = headers.get("authorization");
  let found: string | null = null;
  if (authorization !== null) {
    found = bearer.exec(authorization)?.[1] ?? null;
    if (found === null) throw new GatewayError("unauthenticated", "invalid API key");
  }
  for (const name of keyHeaders) found = agreed(found, headers.get(name));
  for (const value of others) found = agreed(found, value);
  return found;
}

function agreed(found: string | null, value: string | null): string | null {
  if (value === null || value === "" || value === found) return found;
  if (found !== null) throw new GatewayError("unauthenticated", "more than one API key given");
  return value;
}

/** It is kept with every call; OpenID Connect gives a `sub` as many. */
const maxNameLength = 255;

/** A plugin is code from elsewhere: anything but a whole principal is a refusal, never a guess. */
const isPrincipal = (value: unknown): value is Principal =>
  typeof value === "object" &&
  value !== null &&
  "accountId" in value &&
  typeof value.accountId === "string" &&
  "name" in value &&
  typeof value.name === "string" &&
  value.name.length <= maxNameLength &&
  "keyId" in value &&
  (value.keyId === null || typeof value.keyId === "string") &&
  "models" in value &&
  (value.models === "all" || areTexts(value.models)) &&
  (!("operations" in value) || value.operations === undefined || areTexts(value.operations)) &&
  (!("routes" in value) || value.routes === undefined || areTexts(value.routes)) &&
  (!("labels" in value) || value.labels === undefined || areLabels(value.labels)) &&
  "limits" in value &&
  areLimits(value.limits);

const areTexts = (value: unknown): boolean => Array.isArray(value) && value.every((text) => typeof text === "string");
