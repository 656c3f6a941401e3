import { peopleParts } from "../api/people-parts.ts";
import { priceService } from "../api/price-service.ts";
import { limitService } from "../api/limit-service.ts";
import { keyHolderParts } from "../api/key-holder-parts.ts";
import { limitsWithin } from "../api/limits-within.ts";
import { type TenantParts, tenantParts } from "../api/tenant-parts.ts";
import { ConfigError } from "../config/problem.ts";
import { compiledPatterns } from "../config/patterns.ts";
import { readConfig } from "../config/read.ts";
import { settingsFrom } from "../config/settings.ts";
import { cookiePolicy, readCookie } from "../dashboard/cookie.ts";
import { dialects } from "../dialects/index.ts";
import { adminOf } from "../identity/admin.ts";
import { addressGroup, clientAddresses } from "../identity/client-address.ts";
import { createRequestAudit } from "../identity/request-audit.ts";
import { keysOf } from "../identity/keys.ts";
import { rootSecret } from "../identity/root-secret.ts";
import { derivedKey, masterSecret, SecretError } from "../identity/secret.ts";
import { fileRules, limitBook } from "../pipeline/limit-book.ts";
import { createContentLog } from "../pipeline/content/log.ts";
import { countFailure } from "../pipeline/failed-authentications.ts";
import { watchClients } from "../pipeline/disconnect.ts";
import { createIdempotency } from "../pipeline/idempotency.ts";
import { namedModels } from "../pipeline/named-models.ts";
import { reprice } from "../pipeline/reprice.ts";
import { outboxOf } from "../outbox/outbox.ts";
import type { Services } from "../pipeline/services.ts";
import { keptRatios } from "../pipeline/ratios.ts";
import { watchOverload } from "../pipeline/overload.ts";
import { createVault } from "../pipeline/vault.ts";
import { watchStreams } from "../pipeline/watch.ts";
import { loopWatchdog } from "../pipeline/watchdog.ts";
import { within } from "../plugin/deadline.ts";
import { resolvePlugins } from "../plugin/load.ts";
import { type Plugins, SetupError, setupPlugins } from "../plugin/setup.ts";
import { watchLoop } from "../runtime/loop-lag.ts";
import { createEgress, startClient } from "../runtime/egress.ts";
import { collectGarbage, processMemory } from "../runtime/memory.ts";
import { type Listening, serve as listen } from "../runtime/serve.ts";
import { fetchTransport, transportCap } from "../runtime/transport.ts";
import { uuidv7 } from "../runtime/uuid.ts";
import { serverOf } from "../server.ts";
import { attemptParts, gatewaySettings } from "./attempt-parts.ts";
import { type Command, pathOfConfig } from "./command.ts";
import { storedCredentials } from "./credentials.ts";
import { declareKeys } from "./declared-keys.ts";
import { sweepContent } from "./sweep-content.ts";
import { expireCredits } from "./expiry.ts";
import { saveRegularly } from "./save-ratios.ts";
import { sweepRegularly } from "./sweep.ts";
import { sweepAnswers } from "./sweep-answers.ts";
import { firstStart } from "./first-start.ts";
import { processLogger } from "./logger.ts";
import { surviveStrayErrors } from "./stray-errors.ts";
import { servicesOf } from "./plugin-services.ts";
import { untilSignal } from "./shutdown.ts";

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
  const watch = watchStreams(now);
  const memory = processMemory();
  const { maxMemoryBytes, ...overloadSettings } = settings.overload;
  const overload = watchOverload({
    ...overloadSettings,
    memory: { ...memory, limitBytes: Math.min(memory.limitBytes, maxMemoryBytes ?? Infinity) },
    heldStreams: watch.held,
    collectGarbage,
    onChange: (reason) =>
      reason === null
        ? logger.info({ shed: overload.shed }, "new calls are taken again")
        : logger.warn({ reason }, "new calls are refused"),
  });
  const watchdog = loopWatchdog(logger);
  const lag = watchLoop({
    clock: () => performance.now(),
    onSample: (lagMs) => {
      watchdog(lagMs);
      overload.sample(lagMs);
    },
  });
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
    const ratios = await keptRatios({ storage: database.namespace("core/ratios"), logger });
    const content = createContentLog({
      ...settings.content,
      repository: database.content,
      key: rooted("content"),
      patterns: await compiledPatterns(settings.content.redact),
      logger,
      now,
    });
    const services: Services = {
      ...servicesOf(plugins, credentials.slots, loaded.config.models, now),
      limits: limitBook(fileRules(loaded.config.limits)),
      addressGroupOf(request) {
        const address = addressOf(request);
        return address === null ? null : addressGroup(address);
      },
      settings: gatewaySettings(settings),
      ...attemptParts(settings, now),
      keepOpen: (request) => listening?.keepOpen(request),
      closeIdle: (request) => listening?.closeIdle(request),
      watch,
      overload,
      vault: createVault({
        key: rooted("signatures"),
        storage: database.namespace("core/signatures"),
        logger,
        now,
      }),
      idempotency:
        settings.idempotency.maxKeys === 0
          ? null
          : createIdempotency({
              ...settings.idempotency,
              answers: database.answers,
              sealKey: rooted("answers"),
              nameKey: rooted("answer-names"),
              logger,
              now,
            }),
      content,
      ratios,
      transport: fetchTransport({ egress, connectTimeoutMs: settings.timeouts.connectMs, now, env }),
      random: Math.random,
      logger,
      now,
      newId,
      draining: { value: false },
      open,
      drains: new Set(),
    };
    const requestAudit = createRequestAudit(database.audit, { logger, now });
    const admin = adminOf(database.settings, env.LLM_PROXY_ADMIN_TOKEN);
    const { sessions, tokenHolder, ...people } = peopleParts({
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
    const enforces = { limits: plugins.rateLimit.length > 0, budgets: plugins.billing !== null };
    const prices = priceService({
      database,
      billing: plugins.billing,
      providers: services.providers,
      models: services.models,
      now,
      newId,
    });
    const keyParts = { database, keys: keysFor(database.keys), now, newId, enforces };
    const limits = limitService({ ...keyParts, book: services.limits, limiters: services.rateLimit });
    const whole = tenantParts(keyParts, null);
    const { service } = whole;
    const keyHolders = keyHolderParts({ ...services, ...keyParts, service });
    const pagesOver = ({ database: seen, service: keyed, accounts, budgets, credits, place }: TenantParts) => ({
      database: seen,
      money: { accounts, budgets, credits },
      limits: place === null ? limits : limitsWithin(limits, place),
      credentials: credentials.service,
      outbox,
      prices,
      content,
      estimates: ratios.list,
      publicUrl: settings.publicUrl,
      now,
      version,
      ...people,
      sessions,
      requestAudit,
      verifyAdminToken: (token: string) => admin.verify(token),
      takeLoginLink: (token: string) => admin.takeLoginLink(token),
      keys: keyed,
      clientAddress: addressOf,
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
      api: {
        ...keyParts,
        admin,
        prices,
        content,
        limits,
        credentials: credentials.service,
        ratios,
        health: services,
        outbox,
        reprice: ({ to = now() + 1, ...order }) => reprice({ ...order, to }, services),
        logger,
        version,
        publicUrl: settings.publicUrl,
        ...people,
        requestAudit,
        tokenHolder,
        addressOf,
        countStranger: (request) => countFailure(request, { id: newId(), timings: {} }, services),
        async signedIn(request) {
          const policy = cookiePolicy(settings.publicUrl, request.headers.get("host"));
          const session = await sessions.find(readCookie(request.headers.get("cookie"), policy), true);
          return session && { ...session.holder, address: addressOf(request) };
        },
      },
      self: keyHolders.self,
      dashboard: {
        ...pagesOver(whole),
        within: (accountId) => pagesOver(tenantParts(keyParts, accountId)),
        keyHolders,
      },
    });
    listening = await listen({
      host: settings.host,
      port: settings.port,
      idleTimeoutMs: settings.timeouts.clientMs,
      fetch: answer,
    });
    const publicUrl = settings.publicUrl.replace(/:0$/, `:${listening.port}`);
    const adminTokenGiven = Boolean(env.LLM_PROXY_ADMIN_TOKEN);
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

    const unwatchClients = watchClients(services);
    outbox.start();
    const stopExpiry = expireCredits(database, logger);
    const stopSweepingAnswers = sweepAnswers(database, logger, now);
    const stopSaving = saveRegularly(ratios);
    const stopSweepingContent = sweepContent(content, logger);
    await untilSignal({ services, listening, drainMs: settings.timeouts.drainMs });
    unwatchClients();
    stopExpiry();
    stopSweeping();
    stopSweepingAnswers();
    stopSweepingContent();
    await content.close();
    await within(lastDeliveriesMs, () => outbox.stop()).catch(() => {});
    await stopSaving();
    await requestAudit.close();
  } finally {
    lag.stop();
    await plugins.dispose();
  }
  return 0;
};

/** A receiver that does not end must not keep the process from ending. */
const lastDeliveriesMs = 1_000;

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
