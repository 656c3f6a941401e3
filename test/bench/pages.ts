import { Database } from "bun:sqlite";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { until } from "../support/poll.ts";
import { percentile } from "./load.ts";
import { cpuUs, rssMb } from "./process-stat.ts";
import { adminToken, type Proxy, startProxy } from "./proxy.ts";
import { type Seed, seed } from "./seed.ts";

/**
 * What the dashboard's pages and the API's reports take over a database that has had a life, and how long a call would
 * have waited meanwhile: `/healthz` is asked for all the time.
 */
export async function benchPages(dataDir: string, stored: Seed, print: (line: string) => void): Promise<void> {
  await seed(dataDir, { ...stored, unfolded: true });
  const proxy = await startProxy({ name: "seeded", upstreamPort: 9, billing: true, keys: 0, dataDir });
  try {
    print(`${stored.calls} calls, ${stored.keys} keys: ready ${proxy.readyMs.toFixed(0)} ms after the start`);
    const folding = await watched(proxy, () => untilFolded(dataDir, stored.calls));
    print(`rollups made in ${folding.seconds.toFixed(1)} s; /healthz meanwhile: ${times(folding.waits)}`);
    const cpuBefore = cpuUs(proxy.pid);
    await pause(5_000);
    print(
      `idle: ${((cpuUs(proxy.pid) - cpuBefore) / 50_000).toFixed(2)} % of a core, ${rssMb(proxy.pid).toFixed(0)} MB`,
    );

    const cookie = await logIn(proxy);
    print(`\n${"ms".padEnd(76)}${["p50", "longest"].map((name) => name.padStart(9)).join("")}   /healthz meanwhile`);
    for (const path of await paths(proxy)) {
      const taken: number[] = [];
      const { waits } = await watched(proxy, async () => {
        for (let asked = 0; asked < 30; asked++) taken.push(await get(proxy, path, cookie));
      });
      print(
        `${path.padEnd(76)}${[percentile(Float64Array.from(taken).sort(), 0.5), Math.max(...taken)].map((ms) => ms.toFixed(1).padStart(9)).join("")}   ${times(waits)}`,
      );
    }
    print(`\nmemory after: ${rssMb(proxy.pid).toFixed(0)} MB`);
  } finally {
    proxy.stop();
  }
}

const origin = (proxy: Proxy) => `http://127.0.0.1:${proxy.port}`;

const untilFolded = (dataDir: string, calls: number): Promise<unknown> =>
  until(
    "all calls in the rollups",
    () => {
      const database = new Database(join(dataDir, "llm-proxy.db"), { readonly: true });
      const row = database.query<{ seq: number }, []>("SELECT seq FROM watermarks").get();
      database.close();
      return (row?.seq ?? 0) >= calls;
    },
    { deadlineMs: 1_800_000, everyMs: 100 },
  );

/** Asks for `/healthz` over and over while `work` runs. */
async function watched(proxy: Proxy, work: () => Promise<unknown>) {
  const waits: number[] = [];
  let done = false;
  const startedMs = performance.now();
  const watching = (async () => {
    while (!done) {
      const askedMs = performance.now();
      await (await fetch(`${origin(proxy)}/healthz`)).text();
      waits.push(performance.now() - askedMs);
      await pause(1);
    }
  })();
  await work();
  done = true;
  await watching;
  return { waits: Float64Array.from(waits).sort(), seconds: (performance.now() - startedMs) / 1_000 };
}

const times = (waits: Float64Array): string =>
  `p50 ${percentile(waits, 0.5).toFixed(2)}, p99 ${percentile(waits, 0.99).toFixed(2)}, longest ${Math.max(...waits).toFixed(1)} ms`;

async function logIn(proxy: Proxy): Promise<string> {
  const answer = await fetch(`${origin(proxy)}/dashboard/login`, {
    method: "POST",
    redirect: "manual",
    headers: { origin: origin(proxy) },
    body: new URLSearchParams({ token: adminToken }),
  });
  const cookie = answer.headers.get("set-cookie")?.split(";")[0];
  if (cookie === undefined) throw new Error(`no session: ${answer.status}`);
  return cookie;
}

async function get(proxy: Proxy, path: string, cookie: string): Promise<number> {
  const startedMs = performance.now();
  const answer = await fetch(`${origin(proxy)}${path}`, {
    headers: path.startsWith("/api/") ? { authorization: `Bearer ${adminToken}` } : { cookie },
    redirect: "manual",
  });
  await answer.text();
  // 503: it took longer than a page may, which the time shows.
  if (answer.status !== 200 && answer.status !== 503) throw new Error(`${path}: ${answer.status}`);
  return performance.now() - startedMs;
}

async function paths(proxy: Proxy): Promise<string[]> {
  const ask = async (path: string) => {
    const answer = await fetch(`${origin(proxy)}${path}`, { headers: { authorization: `Bearer ${adminToken}` } });
    // What the API promises of its lists.
    return ((await answer.json()) as { data: { id: string; keyId?: string | null }[] }).data;
  };
  const call = (await ask("/api/calls?limit=1"))[0];
  const day = 86_400_000;
  const now = Date.now();
  const midnight = Math.floor(now / day) * day;
  const key = call?.keyId ? [`/dashboard/calls?key=${call.keyId}`] : [];
  return [
    "/dashboard",
    "/dashboard/usage",
    "/dashboard/usage?range=30d&by=key&and=model&compare=before",
    "/dashboard/usage?range=30d&by=key&and=day&compare=before",
    "/dashboard/usage?range=today&by=key&and=hour",
    "/dashboard/usage?range=30d&by=account&under=default",
    "/dashboard/calls",
    `/dashboard/calls/${call?.id}`,
    ...key,
    "/dashboard/calls?model=seeded-model-3",
    "/dashboard/calls?status=upstream_error",
    "/dashboard/calls?model=seeded-model-3&status=upstream_error",
    "/dashboard/keys",
    "/dashboard/budgets",
    "/dashboard/accounts",
    "/dashboard/accounts/default",
    "/dashboard/calls?account=default",
    "/dashboard/ledger",
    "/dashboard/providers",
    "/dashboard/providers/mock?over=week",
    "/dashboard/ledger?kind=credit",
    "/api/calls?limit=200",
    "/api/keys?limit=200",
    "/api/budgets",
    "/api/accounts",
    "/api/ledger?limit=200",
    "/api/ledger?kind=expiry",
    "/api/usage",
    "/api/usage?groupBy=model",
    "/api/usage?groupBy=day",
    "/api/usage?groupBy=key",
    "/api/usage?groupBy=account,status",
    "/api/usage?groupBy=account&under=default",
    `/api/usage?groupBy=key,model&from=${midnight - 29 * day}`,
    `/api/usage?groupBy=hour,model&from=${midnight - 6 * day}`,
    `/api/usage?groupBy=model&from=${now - 30 * day - 1_234_567}&to=${now - 1_234_567}`,
  ];
}
