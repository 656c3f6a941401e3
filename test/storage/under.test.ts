import { describe, expect, test } from "bun:test";
import type { Database, Page, PageQuery } from "../../core/storage/database.ts";
import type { LimitRow } from "../../core/storage/limit.ts";
import { aBudget, aFinal, aKey, anAdmission, anId, startMs } from "../contract/storage-samples.ts";
import { openAt, temporaryFolder } from "./folder.ts";

/**
 * Lists of an account and of those below it, against what a list of everything holds of them. Of few accounts each one's
 * rows are looked for and merged, of many a walk leaves the others' out: both must say the same.
 */
const folder = temporaryFolder();

const aLimit: Omit<LimitRow, "id" | "scope"> = { limits: { concurrency: 9 }, enforce: true, createdMs: startMs };

interface Tree {
  readonly database: Database;
  readonly inside: ReadonlySet<string>;
}

/** `accounts` under `top`, as many elsewhere, calls and keys and budgets of each in turn; the last calls are open. */
async function grown(accounts: number): Promise<Tree> {
  const database = await openAt(folder.file());
  const at = async (id: string, parentId: string | null) =>
    void (await database.accounts.create({ id, parentId, name: id, createdMs: startMs }));
  await at("top", null);
  await at("elsewhere", null);
  const inside = new Set(["top"]);
  const all = ["top", "elsewhere", "default"];
  for (let n = 0; n < accounts; n++) {
    await at(`in-${n}`, "top");
    await at(`out-${n}`, "elsewhere");
    inside.add(`in-${n}`);
    all.push(`in-${n}`, `out-${n}`);
  }
  for (const [n, accountId] of [...all, ...all].entries()) {
    const key = await database.keys.create(aKey({ accountId }), null);
    for (const scope of [
      { kind: "account", id: accountId },
      { kind: "key", id: key.id },
      { kind: "model", id: accountId },
    ] as const) {
      await database.budgets.create(aBudget({ scope, limitNano: 1_000_000 }));
      await database.limits.create({ ...aLimit, id: anId(), scope });
    }
    const line = await database.accounts.lineage(accountId, startMs);
    const scopes = line.map(({ id }) => ({ kind: "account", id }) as const);
    const model = n % 2 === 0 ? "even" : "odd";
    const admission = anAdmission({ accountId, keyId: key.id, scopes, model, startedMs: startMs + n });
    expect(await database.ledger.admit(admission)).toMatchObject({ admitted: true });
    if (n < 2 * all.length - 6) await database.ledger.finish(aFinal(admission.callId));
  }
  for (const accountId of ["top", "in-0", "elsewhere"])
    await database.credits.add({ accountId, nano: 5, expiresMs: null, note: null });
  return { database, inside };
}

async function walked<Row>(list: (query: PageQuery) => unknown, limit: number): Promise<Row[]> {
  const rows: Row[] = [];
  for (let after: string | null = null; ;) {
    // What the list is of is for the caller to say.
    const page = (await list({ after, limit })) as Page<Row>;
    rows.push(...page.data);
    if (page.next === null) return rows;
    after = page.next;
  }
}

describe.each([2, 70])("of %d accounts below one", (accounts) => {
  test("lists hold what is theirs and nothing else, in order, page by page", async () => {
    const { database, inside } = await grown(accounts);
    const { calls, credits, keys, budgets } = database;
    const under = "top";
    const limit = 7;
    type Owned = { readonly accountId: string };
    const theirs = <Row extends Owned>(rows: readonly Row[]) => rows.filter(({ accountId }) => inside.has(accountId));

    for (const filter of [{}, { model: "odd" }, { status: "ok" }, { status: "open" }, { from: startMs + 3 }] as const) {
      const whole = await walked<Owned>((query) => calls.list(filter, query), 50);
      const part = await walked<Owned>((query) => calls.list({ ...filter, under }, query), limit);
      expect([filter, part]).toEqual([filter, theirs(whole)]);
      expect(part.length).toBeGreaterThan(0);
      expect(part.length).toBeLessThan(whole.length);
    }
    for (const kind of [undefined, "charge", "credit"] as const) {
      const filter = kind === undefined ? {} : { kind };
      const whole = await walked<Owned>((query) => credits.entries(filter, query), 50);
      const part = await walked<Owned>((query) => credits.entries({ ...filter, under }, query), limit);
      expect([kind, part]).toEqual([kind, theirs(whole)]);
      expect(part.length).toBeGreaterThan(0);
    }
    const wholeKeys = await walked<Owned>((query) => keys.list(query), 50);
    expect(await walked<Owned>((query) => keys.list({ ...query, under }), limit)).toEqual(theirs(wholeKeys));
    const ids = new Set(
      theirs(await walked<Owned & { id: string }>((query) => keys.list(query), 50)).map(({ id }) => id),
    );
    type Budgeted = { readonly scope: { readonly kind: string; readonly id: string } };
    const wholeBudgets = await walked<Budgeted>((query) => budgets.list(query), 50);
    expect(await walked<Budgeted>((query) => budgets.list({ ...query, under }), limit)).toEqual(
      wholeBudgets.filter(({ scope: { kind, id } }) =>
        kind === "account" ? inside.has(id) : kind === "key" && ids.has(id),
      ),
    );
    const theirLimits = database.limits
      .all()
      .filter(({ scope: { kind, id } }) =>
        kind === "account" ? inside.has(id ?? "") : kind === "key" && ids.has(id ?? ""),
      )
      .toReversed();
    expect(theirLimits.length).toBeGreaterThan(limit);
    const limitsUnder = async ({ after = null }: PageQuery) => {
      const data = await database.limits.under(under, { after, limit });
      return { data, next: data.length < limit ? null : data.at(-1)?.id };
    };
    expect(await walked<LimitRow>(limitsUnder, limit)).toEqual(theirLimits);
    const scope = { kind: "account", id: "in-1" } as const;
    for (const [id, count] of [
      ["in-1", 2],
      ["elsewhere", 0],
    ] as const)
      expect(await database.limits.under(under, { scope: { ...scope, id }, after: null, limit: 9 })).toHaveLength(
        count,
      );
    const balances = await walked<Owned>((query) => credits.balances({ ...query, under }), limit);
    expect(balances.map(({ accountId }) => accountId).toSorted()).toEqual(["in-0", "top"]);
    expect(await calls.openCount({ under })).toBe(
      (await calls.list({ status: "open", under }, { limit: 50 })).data.length,
    );
    await database.close();
  }, 60_000);

  test("an account that is not among them, or not there at all, has nothing in them", async () => {
    const { database } = await grown(accounts);
    for (const filter of [
      { account: "elsewhere", under: "top" },
      { under: "nobody" },
      { account: "top", under: "nobody" },
    ]) {
      expect([filter, (await database.calls.list(filter, {})).data]).toEqual([filter, []]);
      expect([filter, (await database.credits.entries(filter, {})).data]).toEqual([filter, []]);
    }
    expect((await database.keys.list({ under: "nobody" })).data).toEqual([]);
    expect((await database.budgets.list({ under: "nobody" })).data).toEqual([]);
    expect(await database.limits.under("nobody", { after: null, limit: 9 })).toEqual([]);
    const own = await database.calls.list({ account: "in-0", under: "top" }, {});
    expect(new Set(own.data.map(({ accountId }) => accountId))).toEqual(new Set(["in-0"]));
    await database.close();
  }, 60_000);
});
