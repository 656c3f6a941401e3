import { peopleParts } from "../api/people-parts.ts";
import { ConfigError } from "../config/problem.ts";
import { readConfig } from "../config/read.ts";
import { settingsFrom } from "../config/settings.ts";
import { dialects } from "../dialects/index.ts";
import { adminOf } from "../identity/admin.ts";
import { clientAddresses } from "../identity/client-address.ts";
import { createRequestAudit } from "../identity/request-audit.ts";
import { keysOf } from "../identity/keys.ts";
import { rootSecret } from "../identity/root-secret.ts";
import { derivedKey, masterSecret, SecretError } from "../identity/secret.ts";
import { namedModels } from "../pipeline/named-models.ts";
import { outboxOf } from "../outbox/outbox.ts";
import type { Services } from "../pipeline/services.ts";
import { resolvePlugins } from "../plugin/load.ts";
import { hasSeveralIssuers, type Plugins, SetupError, setupPlugins } from "../plugin/setup.ts";
import { createEgress, startClient } from "../runtime/egress.ts";
import { type Listening, serve as listen } from "../runtime/serve.ts";
import { fetchTransport, transportCap } from "../runtime/transport.ts";
import { uuidv7 } from "../runtime/uuid.ts";
import { serverOf } from "../server.ts";
import { type Command, pathOfConfig } from "./command.ts";
import { storedCredentials } from "./credentials.ts";
import { declareKeys } from "./declared-keys.ts";
import { sweepRegularly } from "./sweep.ts";
import { firstStart } from "./first-start.ts";
import { processLogger } from "./logger.ts";
import { surviveStrayErrors } from "./stray-errors.ts";
import { startBackground } from "./background.ts";
import { callServices } from "./call-services.ts";
import { watchProcess } from "./process-watch.ts";
import { surfaceOf } from "./surface.ts";
import { untilSignal } from "./shutdown.ts";
import { keyService } from "../api/key-service.ts";

/** Boot: config → plugins → sweep → listen → serve until a signal. Completely or not at all. */
export const serve: Command = async (input) => {
  const { env, flags, version } = input;
  const loaded = await readConfig({ path: pathOfConfig(input), env });
  const settings = settingsFrom({ flags, env, config: loaded.config });
  const resolved = await resolvePlugins(loaded, input.builtins);
  for (const { kind, name } of resolved)
    if (kind === "guardrail" || kind === "cache")
      throw new ConfigError([loaded.source.problem([kind, name], `this version runs no ${kind} plugins`, "key")]);

  const now = Date.now;
  const logger = processLogger(settings.logLevel, now);
  surviveStrayErrors(logger);
  const { watch, overload, lag } = watchProcess(settings.overload, logger, now);
  const newId = () => uuidv7(now());
  let listening: Listening | null = null;
  const clients = clientAddresses(settings.trustedProxies);
  const addressOf = (request: Request) =>
    clients.of(listening?.address(request) ?? null, request.headers.get("x-forwarded-for"));
  const secret = masterSecret(env, settings.dataDir);
  let root: string | null = null;
  /** For what the database keeps; known once the database has shown that the master secret is its own. */
  const rooted = (purpose: Parameters<typeof derivedKey>[1]) => {
    if (root === null) throw new SecretError("the master secret is not known yet");
    return derivedKey(root, purpose);
  };
  const keysFor = once((repository: Parameters<typeof keysOf>[0]["repository"]) =>
    keysOf({ repository, pepper: rooted("api-keys"), now, addressOf }),
  );

  const egress = createEgress({ ...settings.egress, now });
  const plugins = await setupPlugins(loaded, resolved, {
    dataDir: settings.dataDir,
    logger: ({ kind, name }) => logger.child({ plugin: `${kind}/${name}` }),
    egress,
    now,
    elapsed: () => performance.now(),
    keys: ({ keys }) => ({ find: (credential, request) => keysFor(keys).find(credential, request) }),
    named: (provider, model) => named(provider, model),
  });
  const named = namedModels({
    aliases: loaded.config.models,
    prices: loaded.config.prices,
    providers: plugins.providers,
    biller: plugins.billing?.slot ?? null,
  });
  try {
    checkDialects(plugins);
    const { database } = plugins;
    plugins.billing?.slot.adopt?.(database.book.entries());
    const found = await rootSecret(database, secret);
    root = found.value;
    const credentials = await storedCredentials(plugins, secret, { logger, now, newId });
    await found.keep();
    const outbox = await outboxOf({
      observers: plugins.observer,
      outbox: database.outbox,
      logger,
      now,
      random: Math.random,
      newId,
      mask: (text) => loaded.source.mask(text),
    });
    await declareKeys(loaded.config.keys, {
      repository: database.keys,
      accountOf: (word) => database.accounts.idOf(word),
      keys: keysFor(database.keys),
      source: loaded.source,
      now,
      newId,
    });
    const open: Services["open"] = new Set();
    const stopSweeping = await sweepRegularly({
      ledger: database.ledger,
      policy: plugins.billing?.slot.policy.interrupted ?? "input",
      open,
      logger,
      now,
    });

    let ready = false;
    const services = await callServices({
      plugins,
      config: loaded.config,
      settings,
      keyFor: rooted,
      addressOf,
      providers: credentials.slots,
      transport: fetchTransport({ egress, connectTimeoutMs: settings.timeouts.connectMs, now, env }),
      keepOpen: (request) => listening?.keepOpen(request),
      closeIdle: (request) => listening?.closeIdle(request),
      watch,
      overload,
      logger,
      now,
      newId,
      open,
    });
    const requestAudit = createRequestAudit(database.audit, { logger, now });
    const admin = adminOf(database.settings, env.LLM_PROXY_ADMIN_TOKEN);
    const people = peopleParts({
      database,
      login: settings.login,
      egress,
      keyOf: rooted,
      observers: plugins.observer,
      publicUrl: settings.publicUrl,
      logger,
      now,
      newId,
    });
    const keys = keysFor(database.keys);
    const enforces = { limits: plugins.rateLimit.length > 0, budgets: plugins.billing !== null };
    const surface = surfaceOf({
      services,
      database,
      keys,
      admin,
      credentials: credentials.service,
      content: services.content,
      outbox,
      requestAudit,
      people,
      enforces,
      severalIssuers: hasSeveralIssuers(plugins.instances),
      publicUrl: settings.publicUrl,
      version,
      addressOf,
    });
    const answer = serverOf({
      services,
      lag,
      outbox,
      troubles: () => {
        const trouble = database.trouble();
        return [
          ...(ready ? [] : ["starting"]),
          ...(services.draining.value ? ["shutting down"] : []),
          ...(trouble === null ? [] : [trouble]),
          ...(overload.calls === null ? [] : [overload.calls]),
        ];
      },
      ...surface,
    });
    listening = await listen({
      host: settings.host,
      port: settings.port,
      idleTimeoutMs: settings.timeouts.clientMs,
      fetch: answer,
    });
    const publicUrl = settings.publicUrl.replace(/:0$/, `:${listening.port}`);
    const adminTokenGiven = Boolean(env.LLM_PROXY_ADMIN_TOKEN);
    const service = keyService({ database, keys, now, newId, enforces });
    const shown = await firstStart({ database, service, models: services.models, publicUrl, adminTokenGiven, now });
    ready = true;
    void startClient();
    warnOfCap(env, input.printError);
    for (const line of shown.length > 0 ? [`LLM Proxy ${version} is ready at ${publicUrl}`, ...shown] : [])
      input.printError(line);
    logger.info(
      {
        url: publicUrl,
        host: settings.host,
        port: listening.port,
        version,
        config: loaded.file,
        // Kept with the log, it shows whether entries up to it are taken away or changed later.
        audit: await database.audit.head(),
        instances: plugins.instances.map(({ kind, name }) => `${kind}/${name}`),
      },
      "ready",
    );

    const stop = startBackground(services, outbox);
    await untilSignal({ services, listening, drainMs: settings.timeouts.drainMs });
    stopSweeping();
    await stop();
    await requestAudit.close();
  } finally {
    lag.stop();
    await plugins.dispose();
  }
  return 0;
};

/** A provider that no client's dialect reaches would fail each call: better to say so now. */
function checkDialects({ providers }: Plugins) {
  for (const [name, slot] of providers)
    if (!("chat" in slot) && !slot.dialects.some((dialect) => dialects.has(dialect)))
      throw new SetupError(
        `provider "${name}": speaks ${slot.dialects.join(", ")}; this version knows ${[...dialects.keys()].join(", ")}`,
      );
}

function warnOfCap(env: Readonly<Record<string, string | undefined>>, print: (line: string) => void) {
  const cap = transportCap(env);
  if (cap !== null && cap < 1_000)
    print(
      `Only ${cap} calls can be upstream at once: set BUN_CONFIG_MAX_HTTP_REQUESTS=65535 in the environment before the start.`,
    );
}

/** The first result, for every later call. */
function once<Argument, Result>(make: (argument: Argument) => Result): (argument: Argument) => Result {
  let made: { readonly result: Result } | null = null;
  return (argument) => (made ??= { result: make(argument) }).result;
}
