import { isDeepStrictEqual } from "node:util";
import { ConfigError, describeProblem, reasonOf } from "../config/problem.ts";
import { publicUrlOf } from "../config/settings.ts";
import type { CheckOutcome, PlanOutcome, Reload, ReloadOutcome } from "../api/config-service.ts";
import { within } from "../plugin/deadline.ts";
import type { Awaitable } from "../plugin/plugin.ts";
import { SetupError, setupPlugins } from "../plugin/setup.ts";
import { derivedKey } from "../identity/secret.ts";
import { rightOutcome } from "./check-outcome.ts";
import { keepApplied } from "./plan.ts";
import { factsOf, ofTheStart, planOf } from "./config-facts.ts";
import { type SeenFile, SeenFiles } from "./seen-files.ts";
import { keptOf, type Snapshot, type SnapshotParts, snapshotOf } from "./snapshot.ts";
import type { Wanted } from "./wanted.ts";

/** For a reload that is under way when the process ends. */
const lastTurnMs = 500;

/** The config in use, and the way from one to the next. */
export interface Reloader {
  /** Read it once for each request. */
  readonly current: Snapshot;
  /** `null`: none was tried since the start. */
  readonly last: Reload | null;
  /** Successful ones, since the start. */
  readonly generation: number;
  readonly loadedMs: number;
  /** Those that were read last. Where that came to nothing, those of the config in use too. */
  readonly files: readonly SeenFile[];
  /** Calls and requests that still work with configs of before. */
  readonly left: readonly number[];
  /**
   * One at a time, in the order asked for. A config that is broken in whatever way changes nothing.
   *
   * @param by who asks, for the log.
   */
  reload(by: string): Promise<ReloadOutcome>;
  check(): Promise<CheckOutcome>;
  plan(): Promise<PlanOutcome>;
  /** Writes down what is in use, as each reload does: for the start, once the process serves. */
  keep(): void;
  /** Disposes all plugins, the database at the very end. */
  dispose(): Promise<void>;
}

export interface ReloaderParts extends SnapshotParts {
  readonly first: Snapshot;
  /** Reads the config file. */
  readonly read: (seen?: SeenFiles) => Promise<Wanted>;
}

export function reloaderOf(parts: ReloaderParts): Reloader {
  const { lasting, read } = parts;
  const { logger, now, host } = lasting.parts;
  let current = parts.first;
  let last: Reload | null = null;
  let generation = 0;
  let loadedMs = now();
  let { files } = parts.first;
  const retiring = new Set<Snapshot>();
  let turn: Promise<unknown> = Promise.resolve();
  let isOver = false;
  const digestKey = derivedKey(lasting.parts.secret.value, "config-digests");
  const keep = () => keepApplied(current, digestKey, loadedMs, logger);

  async function attempt(by: string): Promise<ReloadOutcome> {
    const startedMs = performance.now();
    const seen = new SeenFiles();
    let outcome: ReloadOutcome;
    try {
      const needsRestart = await replace(seen);
      generation += 1;
      loadedMs = now();
      keep();
      outcome = { ok: true, generation, needsRestart };
      const tookMs = Math.round(performance.now() - startedMs);
      logger.info({ by, generation, tookMs, ...(needsRestart.length > 0 && { needsRestart }) }, "config reloaded");
    } catch (error) {
      outcome = { ok: false, problems: problemsOf(error, current) };
      logger.error({ by, problems: outcome.problems }, "the config was not reloaded; the one of before stays");
    }
    if (!outcome.ok) for (const { path, sign } of current.files) seen.see(path, sign);
    files = seen.list();
    last = { atMs: now(), by, ...outcome };
    return outcome;
  }

  /** Returns what the file says that only a restart brings. */
  async function replace(seen: SeenFiles): Promise<readonly string[]> {
    const old = current;
    const wanted = await read(seen);
    const plugins = await setupPlugins(wanted.loaded, wanted.resolved, host, {
      plugins: old.plugins,
      database: lasting.database,
    });
    let next: Snapshot | null = null;
    try {
      next = await snapshotOf(wanted, plugins, parts, keptOf(old, wanted, plugins));
      await probe(next);
      await next.declare();
      await swap(old, next);
    } catch (error) {
      next?.discard();
      await plugins.dispose();
      // It may tell secrets that only the config that comes has.
      throw error instanceof ConfigError
        ? error
        : new SetupError(wanted.loaded.source.mask(reasonOf(error)), { cause: error });
    }
    try {
      await lasting.outbox.use(plugins.observer, (text) => wanted.loaded.source.mask(text));
    } catch (error) {
      // The config is in use all the same.
      logger.error({ error }, "what is kept for the receivers of events follows the config only with the next reload");
    }
    void retire(old);
    return needingRestart(parts.first, next);
  }

  /** In one turn of the event loop, so that no request sees half of either. */
  async function swap(old: Snapshot, next: Snapshot): Promise<void> {
    try {
      next.adopt();
      current = next;
    } catch (error) {
      await goBackTo(old);
      throw error;
    }
  }

  /** Each part for itself: one that fails must not keep the others from it. */
  async function goBackTo(old: Snapshot): Promise<void> {
    const steps: readonly (() => Awaitable<void>)[] = [old.adopt, old.declare];
    for (const step of steps)
      try {
        await step();
      } catch (error) {
        logger.error({ reason: problemsOf(error, old) }, "a part of the config of before did not take its place again");
      }
  }

  async function retire(old: Snapshot): Promise<void> {
    retiring.add(old);
    await old.services.inUse.none();
    if (isOver) return;
    retiring.delete(old);
    await old.plugins.dispose();
  }

  return {
    get current() {
      return current;
    },
    get last() {
      return last;
    },
    get generation() {
      return generation;
    },
    get loadedMs() {
      return loadedMs;
    },
    get files() {
      return files;
    },
    get left() {
      return [...retiring].map(({ services }) => services.inUse.count);
    },
    reload(by) {
      const done = turn.then(() => attempt(by));
      turn = done;
      return done;
    },
    async check() {
      try {
        return rightOutcome(await read());
      } catch (error) {
        return { ok: false, problems: problemsOf(error, current) };
      }
    },
    async plan() {
      try {
        const wanted = await read();
        return { ok: true, lines: planOf(factsOf(current, digestKey), factsOf(wanted, digestKey)) };
      } catch (error) {
        return { ok: false, problems: problemsOf(error, current) };
      }
    },
    keep,
    async dispose() {
      // One that hangs must not keep the process: what it has set up goes with it.
      await within(lastTurnMs, () => turn).catch(() => {});
      isOver = true;
      for (const { plugins } of retiring) await plugins.dispose();
      await current.plugins.dispose();
    },
  };
}

/** Asks the new parts for something before anybody else does. */
async function probe({ answer, complete, settings }: Snapshot): Promise<void> {
  await complete();
  for (const path of ["/healthz", "/v1/models"]) {
    const { status } = await answer(new Request(`${publicUrlOf(settings, settings.port)}${path}`));
    if (status >= 500) throw new SetupError(`probe failed: GET ${path} is answered ${status}`);
  }
}

/** Without secrets. */
function problemsOf(error: unknown, { loaded }: Snapshot): readonly string[] {
  if (error instanceof ConfigError) return error.problems.map(describeProblem);
  return [loaded.source.mask(reasonOf(error))];
}

/** What differs from what the process started with, and is made only once. */
function needingRestart(first: Wanted, next: Wanted): readonly string[] {
  const storageOf = ({ resolved }: Wanted) =>
    resolved.flatMap(({ kind, name, plugin, options }) =>
      kind === "storage" ? [{ name, plugin: plugin.name, options }] : [],
    );
  return [
    ...(isDeepStrictEqual(storageOf(first), storageOf(next)) ? [] : ["storage"]),
    ...Object.entries(ofTheStart).flatMap(([path, of]) => (of(first.settings) === of(next.settings) ? [] : [path])),
  ];
}
