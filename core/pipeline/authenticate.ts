import { GatewayError } from "../chat/error.ts";
import type { DialectName } from "../dialects/dialect.ts";
import type { Authenticator, Awaitable, Principal } from "../plugin/plugin.ts";
import { principalTrouble } from "../plugin/principal-trouble.ts";
import type { Instance } from "../plugin/slots.ts";
import type { Call } from "./call.ts";
import { closedHook } from "./hook.ts";
import { countFailure } from "./failed-authentications.ts";
import type { Services } from "./services.ts";

/**
 * The first instance that knows the credential says who calls. Needs no body, so a stranger costs next to nothing. Who
 * shows none that holds is counted by address: a good key from the same address works all the same. No promise where an
 * instance knows at once, as most do: an `await` for what is there takes a turn of its own.
 */
export function authenticate(request: Request, call: Call, services: Services): Awaitable<Principal> {
  try {
    const credential = credentialFor(request, call.endpoint.dialect.name);
    if (credential === null) throw new GatewayError("unauthenticated", "no API key given");
    const told = askInstances({ credential, request, call, services }, 0);
    return told instanceof Promise ? told.catch((error: unknown) => refused(error, request, call, services)) : told;
  } catch (error) {
    return refused(error, request, call, services);
  }
}

async function refused(error: unknown, request: Request, call: Call, services: Services): Promise<never> {
  if (error instanceof GatewayError && error.kind === "unauthenticated") await countFailure(request, call, services);
  throw error;
}

interface Shown {
  readonly credential: string;
  readonly request: Request;
  readonly call: Call;
  readonly services: Services;
}

/** Those from `first` on, one after the other. */
function askInstances(shown: Shown, first: number): Awaitable<Principal> {
  const { auth } = shown.services;
  for (let at = first; at < auth.length; at++) {
    const instance = auth[at];
    if (instance === undefined) continue;
    const told = askInstance(instance, shown);
    if (told instanceof Promise) return later(told, instance.name, shown, at);
    const principal = believed(instance.name, told, shown.services);
    if (principal !== null) return principal;
  }
  throw new GatewayError("unauthenticated", "invalid API key");
}

function askInstance({ name, slot }: Instance<Authenticator>, shown: Shown): Awaitable<Principal | null> {
  const context = { logger: shown.services.logger, timings: shown.call.timings };
  return closedHook(context, "auth", name, "authenticate", () => slot.authenticate(shown.credential, shown.request));
}

async function later(told: Promise<Principal | null>, name: string, shown: Shown, at: number): Promise<Principal> {
  const principal = believed(name, await told, shown.services);
  // Only who has waited for it can have read it. It would be told to the client as its own fault.
  if (shown.request.bodyUsed) throw bodyTaken(name, shown.services);
  return principal ?? (await askInstances(shown, at + 1));
}

function bodyTaken(auth: string, { logger }: Pick<Services, "logger">): GatewayError {
  const why = "authenticate() read the body, which is still to be read: it may read that of a clone()";
  logger.error({ plugin: `auth/${auth}`, why }, "a plugin failed; the call is refused");
  return new GatewayError("unavailable", "the call could not be checked", { retryAfterSeconds: 5 });
}

/** What an instance told; `null`: it does not know the credential. Whatever cannot be read as a principal is a refusal. */
function believed(auth: string, told: Principal | null, { logger }: Pick<Services, "logger">): Principal | null {
  if (told === null) return null;
  try {
    const why = principalTrouble(told);
    if (why === null) return told.keyId === null ? toldBy(auth, told) : told;
    logger.error({ plugin: `auth/${auth}`, why }, "a plugin told no whole principal; the call is refused");
  } catch (error) {
    logger.error({ plugin: `auth/${auth}`, error }, "a plugin told no whole principal; the call is refused");
  }
  throw new GatewayError("unauthenticated", "invalid API key");
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

const none: readonly string[] = [];
const bearer = /^bearer +(\S+)$/i;
const keyHeaders = ["x-api-key", "api-key", "x-goog-api-key"];

/** Gemini's clients may put their key into the address: `?key=`. It goes no further, neither upstream nor into a log. */
const queryKeys = (url: string): readonly string[] =>
  url.includes("?") ? new URL(url).searchParams.getAll("key") : none;

/** What a caller shows, wherever its dialect lets it. */
export const credentialFor = (request: Request, dialect: DialectName): string | null =>
  credentialOf(request.headers, dialect === "gemini" ? queryKeys(request.url) : none);

/**
 * One extractor for all dialects. Two different credentials in one request are none: neither may win.
 * `others`: those that came elsewhere than in a header.
 */
export function credentialOf(headers: Headers, others: readonly string[] = none): string | null {
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
