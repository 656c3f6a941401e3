import type { ConfigService } from "../api/config-service.ts";
import { publicUrlOf } from "../config/settings.ts";
import { rootSecret } from "../identity/root-secret.ts";
import { setupPlugins } from "../plugin/setup.ts";
import { startClient } from "../runtime/egress.ts";
import { serve as listen } from "../runtime/serve.ts";
import { type UsedTransport, usedTransport } from "../runtime/transport.ts";
import { startBackground } from "./background.ts";
import type { CommandInput, ExitCode } from "./command.ts";
import { driftOf } from "./drift.ts";
import { firstStart } from "./first-start.ts";
import type { Hangups } from "./hangup.ts";
import { lastingParts } from "./lasting-parts.ts";
import { processParts } from "./process-parts.ts";
import { pluginLines } from "./plugin-lines.ts";
import { type Reloader, reloaderOf } from "./reload.ts";
import { exitSoon, untilSignal } from "./shutdown.ts";
import { snapshotOf } from "./snapshot.ts";
import { sweepRegularly } from "./sweep.ts";
import { reloadOnChange } from "./watch-files.ts";
import { wantedConfig } from "./wanted.ts";

/** Boot: config → plugins → sweep → listen → serve until a signal. Completely or not at all. */
export async function serve(input: CommandInput, hangups: Hangups): Promise<ExitCode> {
  const { env, version } = input;
  const wanted = await wantedConfig(input);
  const { settings } = wanted;
  const parts = await processParts(env, settings);
  const { logger, now, newId } = parts;

  let reloader: Reloader | null = null;
  const plugins = await setupPlugins(wanted.loaded, wanted.resolved, parts.host);
  try {
    const { database } = plugins;
    const found = await rootSecret(database, parts.secret);
    parts.root = found.value;
    const lasting = await lastingParts(parts, plugins, wanted);
    const { services, outbox, requestAudit } = lasting;
    let ready = false;
    const leaving = { value: false };
    const config: ConfigService = {
      state: () => stateOf(started()),
      reload: (by) => started().reload(by),
      check: () => started().check(),
      plan: () => started().plan(),
      drift: () => driftOf(started().current, database, now()).slice(0, 200),
      plugins: () => pluginLines(started().current.plugins),
    };
    const snapshotParts = {
      lasting,
      version,
      config,
      troubles() {
        const trouble = database.trouble();
        return [
          ...(ready ? [] : ["starting"]),
          ...(leaving.value ? ["shutting down"] : []),
          ...(trouble === null ? [] : [trouble]),
          ...(services.overload.calls === null ? [] : [services.overload.calls]),
        ];
      },
    };
    const first = await snapshotOf(wanted, plugins, snapshotParts, { people: null, transport: null });
    await found.keep();
    await first.declare();
    await lasting.admin.adopt(parts.keyFor("admin-token"));
    first.adopt();
    const current = (reloader = reloaderOf({ ...snapshotParts, first, read: (seen) => wantedConfig(input, seen) }));
    const stopSweeping = await sweepRegularly({
      ledger: database.ledger,
      policy: () => current.current.plugins.billing?.slot.policy.interrupted ?? "input",
      open: services.open,
      logger,
      now,
    });

    const listening = (parts.listening = await listen({
      host: settings.host,
      port: settings.port,
      idleTimeoutMs: settings.timeouts.clientMs,
      // The one place where a request meets the config it keeps to its end.
      fetch: (request) => current.current.answer(request),
    }));
    const publicUrl = publicUrlOf(settings, listening.port);
    const adminTokenGiven = Boolean(env.LLM_PROXY_ADMIN_TOKEN);
    const enforces = { limits: plugins.rateLimit.length > 0, budgets: plugins.billing !== null };
    const service = async () =>
      (await import("../api/key-service.ts")).keyService({
        database,
        keys: parts.keysFor(database.keys),
        now,
        newId,
        enforces,
      });
    const { models } = first.services;
    const shown = await firstStart({ database, service, models, publicUrl, adminTokenGiven, now });
    ready = true;
    parts.lag.start();
    current.keep();
    void startClient();
    for (const line of transportWarnings(settings.transport, usedTransport(settings.transport, env)))
      input.printError(line);
    if (!isHeaderToken(env.LLM_PROXY_ADMIN_TOKEN?.trim() ?? ""))
      input.printError(
        "LLM_PROXY_ADMIN_TOKEN opens the dashboard alone: a header takes no white space, nor letters beyond ASCII.",
      );
    for (const line of shown.length > 0 ? [`LLM Proxy ${version} is ready at ${publicUrl}`, ...shown] : [])
      input.printError(line);
    logger.info(
      {
        url: publicUrl,
        host: settings.host,
        port: listening.port,
        version,
        config: wanted.loaded.file,
        // Kept with the log, it shows whether entries up to it are taken away or changed later.
        audit: await database.audit.head(),
        instances: plugins.instances.map(({ kind, name }) => `${kind}/${name}`),
      },
      "ready",
    );

    // As other daemons do. While the process drains there is nothing to reload for.
    hangups.whenReady(() => {
      if (!leaving.value) void current.reload("SIGHUP");
    });
    const stopWatching = reloadOnChange(current);
    const stop = startBackground(() => current.current.services, outbox);
    const served = untilSignal({ services, listening, leaving, timeouts: parts.live.timeouts });
    try {
      // The first call need not wait for it; but a process that cannot load it must not go on.
      await Promise.all([served, first.complete()]);
    } finally {
      await listening.stopNow();
      stopSweeping();
      stopWatching();
      await stop();
      await requestAudit.close();
    }
  } finally {
    parts.lag.stop();
    await (reloader ?? plugins).dispose();
  }
  exitSoon();
  return 0;

  function started(): Reloader {
    if (reloader === null) throw new Error("there is no config in use yet");
    return reloader;
  }
}

const stateOf = ({ current, loadedMs, generation, last, left }: Reloader) => ({
  file: current.loaded.file,
  loadedMs,
  generation,
  lastReload: last,
  callsBefore: left,
});

function transportWarnings(asked: UsedTransport["kind"], { kind, cap }: UsedTransport): string[] {
  const warnings: string[] = [];
  if (kind !== asked)
    warnings.push(
      `Providers are asked over ${kind}, not ${asked}, which needs Bun and no HTTP_PROXY, HTTPS_PROXY or ALL_PROXY.`,
    );
  if (cap !== null && cap < 1_000)
    warnings.push(
      `Only ${cap} calls can be upstream at once: set BUN_CONFIG_MAX_HTTP_REQUESTS=65535 in the environment before the start.`,
    );
  return warnings;
}

/** Whether clients of the API can send it. */
const isHeaderToken = (token: string): boolean => /^[\x21-\x7e]*$/.test(token);
