import type { Buffer } from "node:buffer";
import { isDeepStrictEqual } from "node:util";
import type { Settings } from "../config/settings.ts";
import { clientAddresses } from "../identity/client-address.ts";
import { type Keys, keysOf } from "../identity/keys.ts";
import { derivedKey, masterSecret, type MasterSecret, SecretError } from "../identity/secret.ts";
import type { Host } from "../plugin/context.ts";
import type { Logger, NamedModels } from "../plugin/plugin.ts";
import { createEgress, type Egress } from "../runtime/egress.ts";
import type { Listening } from "../runtime/serve.ts";
import { uuidv7 } from "../runtime/uuid.ts";
import type { KeyRepository } from "../storage/key.ts";
import { type LiveSettings, liveSettings } from "./live-settings.ts";
import { processLogger } from "./logger.ts";
import { watchProcess } from "./process-watch.ts";
import { surviveStrayErrors } from "./stray-errors.ts";

type Environment = Readonly<Record<string, string | undefined>>;

/** What there is before the database is open, and lasts as long as the process. */
export interface ProcessParts extends ReturnType<typeof watchProcess> {
  readonly env: Environment;
  readonly live: LiveSettings;
  readonly logger: Logger;
  readonly strays: ReturnType<typeof surviveStrayErrors>;
  readonly now: () => number;
  /** A clock in ms that never steps, whatever the operator or NTP does to `now`; only differences mean something. */
  readonly elapsed: () => number;
  readonly newId: () => string;
  readonly secret: MasterSecret;
  /** Known once the database has shown that the master secret is its own. */
  root: string | null;
  /** For what the database keeps. */
  readonly keyFor: (purpose: Parameters<typeof derivedKey>[1]) => Buffer;
  readonly keysFor: (repository: KeyRepository) => Keys;
  readonly addressOf: (request: Request) => string | null;
  readonly egress: Egress;
  readonly host: Host;
  /** `null`: nothing is accepted yet. */
  listening: Listening | null;
  /** What follows the config, from now on. */
  follow(settings: Settings, named: NamedModels): void;
}

export async function processParts(env: Environment, first: Settings): Promise<ProcessParts> {
  const now = Date.now;
  const elapsed = () => performance.now();
  const logger = processLogger(first.logLevel, now);
  const live = await liveSettings(first);
  let clients = clientAddresses(first.trustedProxies);
  let allowed = first.egress;
  let out = createEgress({ ...allowed, now: elapsed });
  let named: NamedModels = () => null;
  const egress: Egress = {
    send: (target, options, pinned) => out.send(target, options, pinned),
    pin: (url) => out.pin(url),
    fault: (url) => out.fault(url),
  };
  const keysFor = once((repository: KeyRepository) =>
    keysOf({ repository, pepper: parts.keyFor("api-keys"), now, addressOf: parts.addressOf }),
  );
  const lasting = onceEach(() => ({}));
  const loggers = onceEach((plugin) => logger.child({ plugin }));
  const parts: ProcessParts = {
    ...watchProcess(live.overload, logger, elapsed),
    env,
    live,
    logger,
    strays: surviveStrayErrors(logger),
    now,
    elapsed,
    newId: () => uuidv7(now()),
    secret: masterSecret(env, first.dataDir),
    root: null,
    keyFor(purpose) {
      if (parts.root === null) throw new SecretError("the master secret is not known yet");
      return derivedKey(parts.root, purpose);
    },
    keysFor,
    addressOf: (request) =>
      clients.of(parts.listening?.address(request) ?? null, request.headers.get("x-forwarded-for")),
    egress,
    host: {
      dataDir: first.dataDir,
      logger: ({ kind, name }) => loggers(`${kind}/${name}`),
      egress,
      now,
      elapsed,
      lasting,
      keys: ({ keys }) => ({ find: (credential, request) => keysFor(keys).find(credential, request) }),
      named: (provider, model) => named(provider, model),
    },
    listening: null,
    follow(settings, models) {
      named = models;
      clients = clientAddresses(settings.trustedProxies);
      logger.setLevel(settings.logLevel);
      // Another one would have to ask for all addresses again.
      if (isDeepStrictEqual(allowed, settings.egress)) return;
      allowed = settings.egress;
      out = createEgress({ ...allowed, now: elapsed });
    },
  };
  return parts;
}

/** The first result, for every later call. */
function once<Argument, Result>(make: (argument: Argument) => Result): (argument: Argument) => Result {
  let made: { readonly result: Result } | null = null;
  return (argument) => (made ??= { result: make(argument) }).result;
}

/** The same for the same name. */
function onceEach<Result extends object>(make: (name: string) => Result): (name: string) => Result {
  const made = new Map<string, Result>();
  return (name) => {
    const result = made.get(name) ?? make(name);
    made.set(name, result);
    return result;
  };
}
