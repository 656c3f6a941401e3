import { describe, expect, test } from "bun:test";
import type { Database } from "../../core/storage/database.ts";
import { aBudget, aFinal, anAdmission, anId } from "./storage-samples.ts";

/** The part of the storage contract that is about money paid in advance. A call here holds 100 nano-USD and costs 50. */
export function testCredits({
  database,
  restart,
  advance,
  now,
}: {
  readonly database: () => Database;
  readonly restart: () => Promise<void>;
  readonly advance: (ms: number) => void;
  readonly now: () => number;
}): void {
  const account = async (parentId: string | null) =>
    (await database().accounts.create({ id: anId(), parentId, name: "account", createdMs: now() })).id;
  const credit = (accountId: string, nano: number, forMs: number | null = null) =>
    database().credits.add({ accountId, nano, expiresMs: forMs === null ? null : now() + forMs, note: null });
  const balance = async (accountId: string) => (await database().credits.balance(accountId))?.balanceNano;
  /** A call of the first account, which is under the others. */
  async function call(...line: readonly [string, ...string[]]) {
    const scopes = line.map((id) => ({ kind: "account", id }) as const);
    const admission = anAdmission({ accountId: line[0], scopes, startedMs: now() });
    const result = await database().ledger.admit(admission);
    return { result, finish: () => database().ledger.finish(aFinal(admission.callId)) };
  }
  /** The calls of the account. */
  async function rerate(accountId: string, nano: number) {
    const { calls } = await database().adjustments.ratedCalls({ from: 0, to: now() + 1, limit: 1_000 });
    const reprices = calls
      .filter((rated) => rated.accountId === accountId)
      .map(({ seq }) => ({ seq, costNano: nano, chargeNano: nano, priceVersion: "corrected" }));
    expect(reprices).toHaveLength(1);
    await database().adjustments.write(reprices, { reason: "a correction", author: "somebody" });
  }
  const entries = async (accountId: string) =>
    (await database().credits.entries({ account: accountId }, {})).data.map(({ kind, deltaNano }) => [kind, deltaNano]);
  const proved = async () => expect((await database().prove()).filter(({ ok }) => !ok)).toEqual([]);

  describe("storage contract: credits", () => {
    test("an account that was never credited is not stopped; one that was stops at zero", async () => {
      const id = await account(null);
      expect(await balance(id)).toBeUndefined();
      await (await call(id)).finish();
      await credit(id, 250);
      advance(1);
      expect(await balance(id)).toBe(250);
      for (let at = 0; at < 4; at++) {
        const { result, finish } = await call(id);
        if (result.admitted) await finish();
      }
      // 250, 200, 150, 100, and with 50 left nothing fits.
      const { result } = await call(id);
      expect(result).toMatchObject({ admitted: false, prepaid: true, neededNano: 100 });
      expect(await balance(id)).toBe(50);
      await credit(id, 50);
      expect((await call(id)).result).toMatchObject({ admitted: true, heldNano: 100 });
      await restart();
      expect(await database().credits.balance(id)).toMatchObject({ balanceNano: 100, heldNano: 100 });
      await proved();
    });

    test("the nearest balance pays, alone; budgets hold beside it", async () => {
      const top = await account(null);
      const bottom = await account(top);
      await credit(top, 1_000);
      const budget = await database().budgets.create(
        aBudget({ scope: { kind: "account", id: top }, createdMs: now() }),
      );
      await (await call(bottom, top)).finish();
      expect(await balance(top)).toBe(950);
      await credit(bottom, 1_000);
      advance(1);
      await (await call(bottom, top)).finish();
      expect([await balance(top), await balance(bottom)]).toEqual([950, 950]);
      expect(await database().budgets.get(budget.id)).toMatchObject({ spentNano: 100 });
      expect((await database().budgets.list({})).data.map(({ id }) => id)).toEqual([budget.id]);
      await proved();
    });

    test("what is not used expires, the credit that ends first being used first", async () => {
      const id = await account(null);
      await credit(id, 500);
      await credit(id, 120, 1_000);
      await (await call(id)).finish();
      advance(1_000);
      expect(await database().credits.expire()).toBe(1);
      expect(await database().credits.expire()).toBe(0);
      expect(await balance(id)).toBe(500);
      expect(await entries(id)).toEqual([
        ["expiry", -70],
        ["charge", -50],
        ["credit", 120],
        ["credit", 500],
      ]);
      await proved();
    });

    test("expired money admits nothing, also before anybody took it out", async () => {
      const id = await account(null);
      await credit(id, 500, 1_000);
      advance(999);
      const { result, finish } = await call(id);
      expect(result.admitted).toBe(true);
      await finish();
      advance(1);
      expect((await call(id)).result).toMatchObject({ admitted: false, prepaid: true });
      expect(await balance(id)).toBe(0);
      await proved();
    });

    test("what a call in flight holds stays for it, and the rest of it expires when the call has ended", async () => {
      const id = await account(null);
      await credit(id, 300, 1_000);
      const flying = await call(id);
      advance(2_000);
      expect(await balance(id)).toBe(100);
      expect((await call(id)).result.admitted).toBe(false);
      await flying.finish();
      expect(await balance(id)).toBe(0);
      expect(await entries(id)).toEqual([
        ["expiry", -50],
        ["charge", -50],
        ["expiry", -200],
        ["credit", 300],
      ]);
      await proved();
    });

    for (const [what, between, left] of [
      ["nothing", async () => {}, 0],
      ["another credit", (id: string) => credit(id, 1), 1],
      ["another credit that ends before", (id: string) => credit(id, 1, 10), 0],
      ["a restart", restart, 0],
    ] as const)
      test(`what re-rating gives back of a credit expires with it, with ${what} in between`, async () => {
        const id = await account(null);
        await credit(id, 100, 1_000);
        await (await call(id)).finish();
        // All of it, and then nearly nothing.
        await rerate(id, 100);
        await between(id);
        await rerate(id, 10);
        expect(await balance(id)).toBe(what.startsWith("another") ? 91 : 90);
        advance(999);
        expect(await balance(id)).toBe(90 + left);
        advance(1);
        expect(await balance(id)).toBe(left);
        await proved();
      });

    test("what re-rating gives back of a credit that has expired stays, and is used first", async () => {
      const id = await account(null);
      await credit(id, 100, 1_000);
      await (await call(id)).finish();
      advance(1_000);
      // Nobody has taken the rest out yet.
      await rerate(id, 10);
      expect(await balance(id)).toBe(40);
      await credit(id, 100, 1_000);
      await (await call(id)).finish();
      advance(1_000);
      expect(await balance(id)).toBe(0);
      expect(await entries(id)).toEqual([
        ["expiry", -90],
        ["charge", -50],
        ["credit", 100],
        ["adjustment", 40],
        ["expiry", -50],
        ["charge", -50],
        ["credit", 100],
      ]);
      await proved();
    });

    test("entries are listed newest first in pages, of an account, of a kind, or both", async () => {
      const [one, two] = [await account(null), await account(null)];
      for (const id of [one, two, one]) {
        await credit(id, 100);
        await (await call(id)).finish();
      }
      const listed = async (filter: Parameters<Database["credits"]["entries"]>[0], limit = 2) => {
        const seen: string[] = [];
        for (let after: string | null = ""; after !== null;) {
          const page: Awaited<ReturnType<Database["credits"]["entries"]>> = await database().credits.entries(filter, {
            after,
            limit,
          });
          seen.push(...page.data.map((row) => `${row.accountId === one ? 1 : 2}${row.kind}`));
          after = page.next;
        }
        return seen.join(" ");
      };
      expect(await listed({})).toBe("1charge 1credit 2charge 2credit 1charge 1credit");
      expect(await listed({ account: one })).toBe("1charge 1credit 1charge 1credit");
      expect(await listed({ kind: "credit" })).toBe("1credit 2credit 1credit");
      expect(await listed({ kind: "charge", account: two })).toBe("2charge");
      expect(await listed({ kind: "expiry" })).toBe("");
      expect(await listed({ account: "nobody" })).toBe("");
      const balances = (await database().credits.balances({})).data.map(({ accountId }) => accountId);
      expect(balances).toEqual([two, one]);
    });
  });
}
