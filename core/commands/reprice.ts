import { GatewayError } from "../chat/error.ts";
import { momentOf } from "../config/moment.ts";
import type { Settings } from "../config/settings.ts";
import { mostFailures, reprice as repriceCalls, type Repriced, type RepriceOrder } from "../pipeline/reprice.ts";
import { resolvePlugins } from "../plugin/load.ts";
import { setupPlugins } from "../plugin/setup.ts";
import type { Logger } from "../plugin/plugin.ts";
import { createEgress } from "../runtime/egress.ts";
import { LockedError } from "../runtime/lock.ts";
import { StorageError } from "../storage/migrate.ts";
import { lockFolder, mustBeThere, unusable } from "../storage/sqlite-file.ts";
import { databaseOf } from "./storage.ts";
import type { Command, CommandInput, ExitCode } from "./command.ts";

type Order = Omit<RepriceOrder, "after">;
type Step = (order: RepriceOrder) => Promise<Repriced>;

/**
 * Rates calls again by the book as it is now, and writes what differs as adjustments. Through the process that serves; when
 * none does, on the database itself.
 */
export const reprice: Command = async (input) => {
  const order = orderOf(input);
  if (order === null) {
    input.printError(
      "usage: reprice --from TIME --to TIME [--model NAME] [--dry-run] [--reason TEXT] [--author NAME]\n" +
        "       TIME: 2026-11-01, 2026-11-01T12:00:00Z or epoch milliseconds; --to is not included",
    );
    return 2;
  }
  const { path, settings, loaded } = await databaseOf(input);
  mustBeThere(path);
  const lock = await lockFolder(path).catch(asHeld);
  if (typeof lock === "function") {
    lock();
    return report(input, order, await onDatabase(input, { path, loaded, settings }, order));
  }
  const url = urlOf(settings);
  if (!(await isServing(url)))
    throw new StorageError(
      `${lock.message}; it is not reached at the address in the config: set PORT, or --port, to that of the proxy`,
    );
  const token = input.env.LLM_PROXY_ADMIN_TOKEN;
  if (!token) throw new StorageError(`the proxy serves at ${url}: set LLM_PROXY_ADMIN_TOKEN to its admin token`);
  return report(input, order, await inSteps(order, throughServer(url, token, lock.pid)));
};

function asHeld(error: unknown): LockedError {
  if (error instanceof LockedError) return error;
  throw error;
}

function orderOf({ flags }: CommandInput): Order | null {
  const from = timeOf(flags.from);
  const to = timeOf(flags.to);
  if (from === null || to === null) return null;
  return {
    from,
    to,
    model: flags.model,
    dryRun: flags["dry-run"] === true,
    reason: flags.reason ?? "reprice",
    author: flags.author ?? "command line",
  };
}

/** Epoch milliseconds; `null`: no time. */
function timeOf(text: string | undefined): number | null {
  if (text === undefined) return null;
  if (/^\d{1,16}$/.test(text)) return Number(text);
  const ms = /^\d{4}-\d\d-\d\d(T[\d:.]+(Z|[+-]\d\d:\d\d))?$/.test(text) ? momentOf(text) : null;
  return ms === null || ms < 0 ? null : ms;
}

/** An address for every interface is reached by that of this machine. */
function urlOf({ host, port }: Settings): string {
  const local = host === "0.0.0.0" || host === "::" ? "127.0.0.1" : host;
  return `http://${local.includes(":") ? `[${local}]` : local}:${port}`;
}

const egress = createEgress({ allow: [], now: Date.now });

async function isServing(url: string): Promise<boolean> {
  try {
    return (await egress.send(`${url}/healthz`, { redirect: "manual", signal: AbortSignal.timeout(5_000) })).ok;
  } catch {
    return false;
  }
}

/** `pid`: of the process that holds the database; another one that serves there refuses. */
const throughServer =
  (url: string, token: string, pid: number | null): Step =>
  async (order) => {
    const response = await egress.send(`${url}/api/ledger/reprice`, {
      redirect: "manual",
      method: "POST",
      headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
      body: JSON.stringify({ ...order, ...(pid !== null && { pid }) }),
    });
    const text = await response.text();
    if (!response.ok) throw new StorageError(`the proxy at ${url} answered ${response.status}: ${text.slice(0, 500)}`);
    // The answer of our own route.
    return JSON.parse(text) as Repriced;
  };

async function onDatabase(
  { builtins }: CommandInput,
  { path, loaded, settings }: Awaited<ReturnType<typeof databaseOf>>,
  order: Order,
): Promise<Repriced> {
  const needed = new Set(["storage", "provider", "billing"]);
  const resolved = (await resolvePlugins(loaded, builtins)).filter(({ kind }) => needed.has(kind));
  const plugins = await setupPlugins(loaded, resolved, {
    dataDir: settings.dataDir,
    logger: () => silent,
    egress,
    now: Date.now,
    elapsed: () => 0,
    keys: () => ({ find: () => null }),
    named: () => null,
  });
  try {
    const { database, billing, providers } = plugins;
    billing?.slot.adopt?.(database.book.entries());
    return await inSteps(order, (step) => repriceCalls(step, { database, billing, providers, now: Date.now }));
  } catch (error) {
    throw error instanceof GatewayError ? unusable(path, error, "written") : error;
  } finally {
    await plugins.dispose();
  }
}

const silent: Logger = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };

/** An answer tells of as many calls as fit into its time. */
async function inSteps(order: Order, step: Step): Promise<Repriced> {
  let sum: Repriced = {
    examined: 0,
    changed: 0,
    unpriced: 0,
    failed: 0,
    failures: [],
    costDeltaNano: 0,
    chargeDeltaNano: 0,
    goneBeforeMs: null,
    next: null,
  };
  for (let after: string | undefined; ;) {
    const part = await step({ ...order, after });
    sum = {
      examined: sum.examined + part.examined,
      changed: sum.changed + part.changed,
      unpriced: sum.unpriced + part.unpriced,
      failed: sum.failed + part.failed,
      failures: [...sum.failures, ...part.failures].slice(0, mostFailures),
      costDeltaNano: sum.costDeltaNano + part.costDeltaNano,
      chargeDeltaNano: sum.chargeDeltaNano + part.chargeDeltaNano,
      goneBeforeMs: part.goneBeforeMs,
      next: part.next,
    };
    if (part.next === null) return sum;
    after = part.next;
  }
}

function report({ flags, print }: CommandInput, { dryRun }: Order, { next: _, ...sum }: Repriced): ExitCode {
  const ok = sum.failed === 0;
  if (flags.json) {
    print(JSON.stringify({ ok, dryRun, ...sum }));
    return ok ? 0 : 1;
  }
  print(
    `${sum.examined} calls rated again: ${sum.changed} ${dryRun ? "would change" : "changed"}, ` +
      `cost by ${sum.costDeltaNano} and charge by ${sum.chargeDeltaNano} nano-USD` +
      (sum.unpriced > 0 ? `; ${sum.unpriced} have no price now and stay as they are.` : "."),
  );
  if (sum.goneBeforeMs !== null)
    print(
      `Calls admitted before ${new Date(sum.goneBeforeMs).toISOString().slice(0, 10)} may be gone for their age: those keep their cost and charge.`,
    );
  if (ok) return 0;
  print(`${sum.failed} could not be rated and stay as they are:`);
  for (const { callId, error } of sum.failures) print(`  ${callId}: ${error}`);
  if (sum.failed > sum.failures.length) print(`  and ${sum.failed - sum.failures.length} more`);
  return 1;
}
