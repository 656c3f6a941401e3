import { expect, test } from "bun:test";
import { type Biller, type BookEntry, noUsage, type Usage } from "llm-proxy/plugin";
import { reprice, type Repriced } from "../../core/pipeline/reprice.ts";
import type { Scope } from "../../core/chat/error.ts";
import type { Database } from "../../core/storage/database.ts";
import { makeLedger } from "../plugins/billing/ledger-fixture.ts";
import { aBudget, aFinal, aKey, anAdmission, anId, startMs } from "../contract/storage-samples.ts";
import { fakeClock } from "../contract/context.ts";
import { seeded } from "../support/random.ts";
import { openAt, rowsOf, temporaryFolder } from "./folder.ts";

const folder = temporaryFolder();
const hourMs = 3_600_000;

/** A database with calls of several owners over several days, rated by `biller` at the end of each. */
async function world(calls: number) {
  const random = seeded("re-rated calls");
  const pick = <Value>(values: readonly [Value, ...Value[]]): Value => values[random.below(values.length)] ?? values[0];
  const clock = fakeClock(startMs);
  const path = folder.file();
  const database = await openAt(path, clock.now);
  const biller = makeLedger([
    { target: "one/*", input: "1", output: "2" },
    { target: "two/*", input: "0.0001", output: "3", inputAudio: "5" },
  ]);
  const account = (await database.accounts.create({ id: anId(), name: "org", parentId: null, createdMs: startMs })).id;
  const user = (await database.accounts.create({ id: anId(), name: "user", parentId: account, createdMs: startMs })).id;
  const key = await database.keys.create(aKey({ accountId: user }), null);
  const scopes: readonly Scope[] = [
    { kind: "key", id: key.id },
    { kind: "account", id: account },
    { kind: "model", id: "fast" },
    { kind: "model", id: "two/b" },
    { kind: "provider", id: "one" },
    { kind: "global", id: "global" },
  ];
  const budget = async (scope: Scope) =>
    database.budgets.create(
      aBudget({
        scope,
        window: pick(["day", "week", "month", "lifetime", "5h"]),
        limitNano: 1e12,
        createdMs: clock.now(),
      }),
    );
  for (const scope of scopes) await budget(scope);
  const rated = (usage: Usage, provider: string, model: string) =>
    biller.rate(usage, { provider, vendor: provider, model }, clock.now());

  for (let at = 0; at < calls; at += 1) {
    clock.advance(random.below(4) === 0 ? random.below(9) * hourMs : random.below(1_000));
    // Made in the middle: the calls before it are none of its.
    if (at === Math.floor(calls / 2)) await budget({ kind: "global", id: "global" });
    const provider = pick(["one", "two"]);
    const model = pick(["a", "b"]);
    const owned = random.below(2) === 0;
    const counted: Scope[] = [
      ...(owned ? [{ kind: "key" as const, id: key.id }] : []),
      ...(owned ? [user, account] : ["default"]).map((id) => ({ kind: "account" as const, id })),
      { kind: "model", id: "fast" },
      { kind: "model", id: `${provider}/${model}` },
      { kind: "model", id: model },
      { kind: "provider", id: provider },
      { kind: "global", id: "global" },
    ];
    const admission = anAdmission({
      startedMs: clock.now(),
      accountId: owned ? user : "default",
      keyId: owned ? key.id : null,
      provider,
      upstreamModel: model,
      scopes: counted,
    });
    const result = await database.ledger.admit(admission);
    if (!result.admitted) throw new Error("not admitted");
    clock.advance(random.below(500));
    const inputTokens = random.below(9_000);
    const usage = {
      ...noUsage,
      inputTokens,
      outputTokens: random.below(900),
      inputAudioTokens: random.below(inputTokens + 1),
    };
    const outcome = random.below(10);
    const nothing = outcome === 0;
    const unpriced = outcome === 1;
    const rating = rated(usage, provider, model);
    const { inputAudioTokens, cacheReadAudioTokens, outputAudioTokens } = usage;
    await database.ledger.finish(
      aFinal(admission.callId, {
        provider,
        upstreamModel: model,
        usage: nothing ? null : usage,
        source: nothing ? "none" : "provider",
        costNano: unpriced ? null : nothing ? 0 : rating.costNano,
        chargeNano: unpriced ? null : nothing ? 0 : rating.chargeNano,
        priceVersion: unpriced || nothing ? null : rating.priceVersion,
        finishedMs: clock.now(),
        notes: {
          counts: {
            inputAudioTokens,
            cacheReadAudioTokens,
            outputAudioTokens,
            inputImageTokens: 0,
            outputImageTokens: 0,
            webSearches: 0,
          },
        },
      }),
    );
  }
  const services = {
    database,
    billing: { name: "ledger", slot: biller },
    providers: new Map(),
    now: clock.now,
  };
  const run = (more: Partial<Parameters<typeof reprice>[0]> = {}): Promise<Repriced> =>
    reprice(
      { from: 0, to: clock.now() + 1, dryRun: false, reason: "a correction", author: "somebody", ...more },
      services,
    );
  return { database, path, clock, biller, run };
}

const entry = (target: string, input: string, effectiveMs: number): BookEntry => ({
  id: anId(),
  kind: "price",
  target,
  effectiveMs,
  prices: { input, output: "7" },
});
const proofs = async (database: Database) => (await database.prove()).filter(({ ok }) => !ok);
const sumOf = (path: string, query: string) => rowsOf<{ n: number }>(path, query)[0]?.n ?? 0;
const chargesOf = (path: string) => sumOf(path, "SELECT coalesce(sum(charge_nano), 0) AS n FROM v_usage");
const reportOf = async (database: Database) =>
  (await database.calls.usage({ from: 0, to: Number.MAX_SAFE_INTEGER, groupBy: [] })).total;

test("a second look finds nothing, and everything adds up to what the book says", async () => {
  const { database, path, biller, clock, run } = await world(400);
  const recorded = rowsOf(path, "SELECT * FROM calls ORDER BY seq");
  // What has no price yet is priced by now; the rest is right as it is.
  const first = await run();
  expect(first.changed).toBeGreaterThan(10);
  expect(first.unpriced).toBe(0);
  expect(await proofs(database)).toEqual([]);
  expect(await run()).toMatchObject({ examined: first.examined, changed: 0, chargeDeltaNano: 0 });

  const middle = Math.floor((startMs + clock.now()) / 2);
  biller.adopt?.([entry("one/*", "2.5", startMs), entry("two/b", "0", middle)]);
  const before = chargesOf(path);
  const report = await reportOf(database);
  const dry = await run({ dryRun: true });
  expect(chargesOf(path)).toBe(before);
  const done = await run();
  expect(done).toEqual(dry);
  expect(done.changed).toBeGreaterThan(100);
  expect(chargesOf(path)).toBe(before + done.chargeDeltaNano);
  expect(await reportOf(database)).toEqual({
    ...report,
    costNano: Number(report.costNano) + done.costDeltaNano,
    chargeNano: Number(report.chargeNano) + done.chargeDeltaNano,
  });
  expect(await proofs(database)).toEqual([]);
  expect(await run()).toMatchObject({ changed: 0 });
  // History is as it was.
  expect(rowsOf(path, "SELECT * FROM calls ORDER BY seq")).toEqual(recorded);
  expect(sumOf(path, "SELECT -sum(delta_nano) AS n FROM v_ledger WHERE kind = 'adjustment'")).toBe(
    first.chargeDeltaNano + done.chargeDeltaNano,
  );

  // Back again, and everything is as it was charged first.
  biller.adopt?.([]);
  await run();
  expect(chargesOf(path)).toBe(before);
  expect(await proofs(database)).toEqual([]);
  await database.close();
  const again = await openAt(path, clock.now);
  expect(await proofs(again)).toEqual([]);
  expect((await reportOf(again)).chargeNano).toBe(before);
  await again.close();
}, 30_000);

test("only what was asked for: a time, a model by each of its names", async () => {
  const { database, path, biller, clock, run } = await world(120);
  await run();
  biller.adopt?.([entry("one/*", "9", startMs), entry("two/*", "9", startMs)]);
  const middle = Math.floor((startMs + clock.now()) / 2);
  const models = await Promise.all(["one/a", "one/b", "two/a", "two/b"].map((model) => run({ model, dryRun: true })));
  const all = await run({ dryRun: true });
  expect(models.reduce((sum, { chargeDeltaNano }) => sum + chargeDeltaNano, 0)).toBe(all.chargeDeltaNano);
  expect((await run({ model: "a", dryRun: true })).examined).toBe(
    (models[0]?.examined ?? 0) + (models[2]?.examined ?? 0),
  );
  expect((await run({ model: "fast", dryRun: true })).examined).toBe(all.examined);
  expect((await run({ model: "unheard of", dryRun: true })).examined).toBe(0);
  const early = await run({ to: middle });
  expect(early.examined).toBeLessThan(all.examined);
  expect(
    rowsOf(
      path,
      `SELECT * FROM adjustments WHERE created_ms > 0 AND call_seq IN (SELECT seq FROM calls WHERE created_ms >= ${middle}) AND price_version_ref IN (SELECT ref FROM labels WHERE text LIKE 'database:%')`,
    ),
  ).toEqual([]);
  const late = await run({ from: middle });
  expect(early.chargeDeltaNano + late.chargeDeltaNano).toBe(all.chargeDeltaNano);
  expect(await proofs(database)).toEqual([]);
  await database.close();
});

test("one call tells what was changed, by whom and why; what has no price stays as it is", async () => {
  const { database, path, biller, run } = await world(30);
  await run();
  biller.adopt?.([entry("one/a", "9", startMs)]);
  await run({ reason: "the vendor's list was wrong", author: "ada" });
  const changed = rowsOf<{ call_id: string }>(
    path,
    "SELECT call_id FROM v_ledger WHERE kind = 'adjustment' ORDER BY seq DESC",
  )[0];
  const call = await database.calls.get(changed?.call_id ?? "");
  expect(call?.adjustments.at(-1)).toMatchObject({
    reason: "the vendor's list was wrong",
    author: "ada",
    priceVersion: expect.stringMatching(/^database:/),
  });
  const listed = (await database.calls.list({}, { limit: 200 })).data.find(({ callId }) => callId === call?.callId);
  expect(listed).toMatchObject({ costNano: call?.costNano, chargeNano: call?.chargeNano });
  const none = makeLedger();
  const unpriced = await reprice(
    { from: 0, to: Number.MAX_SAFE_INTEGER, dryRun: false, reason: "x", author: "x" },
    { database, billing: { name: "ledger", slot: none }, providers: new Map(), now: () => startMs },
  );
  expect(unpriced).toMatchObject({ changed: 0, unpriced: unpriced.examined });
  await database.close();
});

test("calls that the plugin fails at, or rates in no amount, stay as they are and are named; others go through", async () => {
  const { database, path, clock, biller, run } = await world(200);
  await run();
  biller.adopt?.([entry("one/*", "9", startMs), entry("two/*", "9", startMs)]);
  const all = await run({ dryRun: true });
  const failing: Biller = {
    ...biller,
    rate(usage, target, atMs, options) {
      const rating = biller.rate(usage, target, atMs, options);
      if (target.provider !== "two") return rating;
      if (target.model === "a") throw new Error("no such thing");
      return { ...rating, chargeNano: Number.NaN };
    },
  };
  const done = await reprice(
    { from: 0, to: clock.now() + 1, dryRun: false, reason: "x", author: "x" },
    { database, billing: { name: "ledger", slot: failing }, providers: new Map(), now: clock.now },
  );
  const others = (await run({ dryRun: true })).changed;
  expect(done).toMatchObject({ examined: all.examined, changed: all.changed - others, unpriced: 0 });
  expect(done.failed).toBeGreaterThan(20);
  expect(done.failed).toBe(
    sumOf(path, "SELECT count(*) AS n FROM v_usage WHERE provider = 'two' AND source <> 'none'"),
  );
  expect(done.failures).toHaveLength(20);
  expect(new Set(done.failures.map(({ error }) => error))).toEqual(
    new Set(["no such thing", "the rating is no amount in nano-USD"]),
  );
  expect(await proofs(database)).toEqual([]);
  await database.close();
});

test("a call from before its standard tier was kept is rated by the tier of its price lines", async () => {
  const database = await openAt(folder.file(), () => startMs);
  const admission = anAdmission();
  await database.ledger.admit(admission);
  const lines = [{ item: "input", quantity: 10, price: "3", tier: "default" }];
  await database.ledger.finish(aFinal(admission.callId, { notes: { lines } }));
  const { calls } = await database.adjustments.ratedCalls({ from: 0, to: Number.MAX_SAFE_INTEGER, limit: 9 });
  expect(calls).toMatchObject([{ callId: admission.callId, serviceTier: "default" }]);
  await database.close();
});
