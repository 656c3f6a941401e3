import { join } from "node:path";
import { checksum, makeKey } from "../../core/identity/key-format.ts";
import { uuidv7 } from "../../core/runtime/uuid.ts";
import { openSqliteDatabase } from "../../core/storage/sqlite.ts";
import { seed } from "../bench/seed.ts";
import { type Gateway, startGateway } from "../support/process.ts";
import { neverShed, type Soak, unhandled } from "./soak.ts";

const accounts = 10_000;
const accountsPerTurn = 500;
const made = 300;
const pairs = 2_000;
const mostMsToMake = 10;
const mostUsApart = 50;
/** How much more a key may cost among many, on a machine that others use too: a known one no look-up, a new one one index. */
const flat = { later: 1.3, first: 2 };

/**
 * Keys among few and among `count` of them and 10,000 accounts: making one, its first and its later uses; and whether the
 * time of a refusal tells a wrong secret of a real key from a key that nobody has.
 */
export const keys: Soak = async ({ count, print }) => {
  const limits = "limits: [{ scope: { kind: ip }, requestsPerMinute: 100000000 }]";
  const gateway = await startGateway({ config: `server: { ${neverShed} }\n${limits}\n` });
  try {
    const few = await figuresOf(gateway);
    print(`among few keys: ${text(few)}`);
    await gateway.stop();
    await seed(gateway.dataDir, { calls: 0, keys: count });
    await addAccounts(gateway.dataDir);
    await gateway.start();
    const many = await figuresOf(gateway);
    print(`among ${count} keys and ${accounts} accounts: ${text(many)}`);
    return [
      ...(many.makeMs < mostMsToMake ? [] : [`making a key takes ${many.makeMs} ms`]),
      ...(many.laterMs <= few.laterMs * flat.later ? [] : ["a known key costs more among many"]),
      ...(many.firstMs <= few.firstMs * flat.first ? [] : ["the first use of a key costs more among many"]),
      ...(Math.abs(many.apartUs) <= mostUsApart
        ? []
        : [`a wrong secret is told from an unknown key by ${many.apartUs} µs`]),
      ...unhandled(gateway),
    ];
  } finally {
    await gateway.dispose();
  }
};

interface Figures {
  /** Medians. */
  readonly makeMs: number;
  readonly firstMs: number;
  readonly laterMs: number;
  readonly apartUs: number;
}
const text = ({ makeMs, firstMs, laterMs, apartUs }: Figures): string =>
  `make ${makeMs.toFixed(2)} ms, first use ${firstMs.toFixed(2)} ms, later ${laterMs.toFixed(2)} ms; a wrong secret ${apartUs.toFixed(0)} µs from an unknown key, over ${pairs} pairs`;

async function figuresOf(gateway: Gateway): Promise<Figures> {
  const known: string[] = [];
  const make: number[] = [];
  for (let at = 0; at < made; at++)
    make.push(await timed(async () => void known.push((await gateway.createKey({ name: "soak" })).key)));
  const use = (key: string) =>
    timed(
      async () => void (await (await gateway.get("/v1/models", { authorization: `Bearer ${key}` }))?.arrayBuffer()),
    );
  const first: number[] = [];
  for (const key of known) first.push(await use(key));
  const later: number[] = [];
  for (let round = 0; round < 5; round++) for (const key of known) later.push(await use(key));
  const [wrong, unknown]: [number[], number[]] = [[], []];
  for (let at = 0; at < pairs; at++) {
    const other = makeKey().key;
    // Of a real key all but the secret, and its checksum right: as far as whoever has seen a list of keys can get.
    const body = `${known[at % made]?.slice(0, 20)}-${other.slice(21, 64)}`;
    // Which comes first would show too.
    if (at % 2 === 0) wrong.push(await use(body + checksum(body)));
    unknown.push(await use(makeKey().key));
    if (at % 2 === 1) wrong.push(await use(body + checksum(body)));
  }
  return {
    makeMs: median(make),
    firstMs: median(first),
    laterMs: median(later),
    apartUs: (median(wrong) - median(unknown)) * 1_000,
  };
}

async function addAccounts(dataDir: string): Promise<void> {
  const path = join(dataDir, "llm-proxy.db");
  const database = await openSqliteDatabase({ path, synchronous: "normal", now: Date.now, onBackup: () => {} });
  for (let at = 0; at < accounts; at += accountsPerTurn)
    await Promise.all(
      Array.from({ length: accountsPerTurn }, (_, index) =>
        database.accounts.create({
          id: uuidv7(Date.now()),
          parentId: null,
          name: `seeded ${at + index}`,
          createdMs: Date.now(),
        }),
      ),
    );
  await database.close();
}

async function timed(work: () => Promise<void>): Promise<number> {
  const startMs = performance.now();
  await work();
  return performance.now() - startMs;
}

const median = (values: readonly number[]): number =>
  values.toSorted((one, other) => one - other)[Math.floor(values.length / 2)] ?? Number.NaN;
