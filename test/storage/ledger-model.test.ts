import { expect, test } from "bun:test";
import fc from "fast-check";
import type { Admission, Database } from "../../core/storage/database.ts";
import { aBudget, aFinal, aKey, anAdmission, aRefusal } from "../contract/storage-samples.ts";
import { openAt, rowsOf, temporaryFolder } from "./folder.ts";
import { inRow, inRows, usedAt } from "./budget-model.ts";
import { LedgerModel } from "./ledger-model.ts";
import { type AskedCall, firstParents, type Step, steps } from "./ledger-steps.ts";

const folder = temporaryFolder();
/** Whose calls they are; the third caller has no key. */
const callers = ["default", "user", "team"] as const;

test("whatever happens, the ledger agrees with plain arithmetic after each step, and proves clean", async () => {
  await fc.assert(
    fc.asyncProperty(steps, async (run) => {
      const subject = await Subject.open();
      try {
        for (const step of run) {
          await subject.take(step);
          await subject.check();
        }
        // In the end all holds are gone.
        await subject.take({ kind: "restart", policy: "input" });
        await subject.check();
        expect(rowsOf(subject.path, "SELECT * FROM v_budget WHERE held_nano <> 0")).toEqual([]);
      } finally {
        await subject.database.close();
      }
    }),
    { numRuns: 25, endOnFailure: true },
  );
}, 60_000);

/** The real ledger and the model side by side. */
class Subject {
  readonly path: string;
  database: Database;
  readonly #model = new LedgerModel();
  /** Now, so that the views, which show the current windows, have something to show. */
  readonly #clock = { nowMs: Date.now() };

  static async open(): Promise<Subject> {
    const path = folder.file();
    const subject = new Subject(path, await openAt(path));
    for (const [id, parentId] of Object.entries(firstParents))
      if (id !== "default") await subject.database.accounts.create({ id, parentId, name: id, createdMs: 0 });
    for (const [at, accountId] of callers.slice(0, 2).entries())
      await subject.database.keys.create(aKey({ id: `key-${at}`, accountId }), null);
    await subject.database.close();
    subject.database = await openAt(path, subject.now);
    return subject;
  }
  constructor(path: string, database: Database) {
    this.path = path;
    this.database = database;
  }
  readonly now = (): number => this.#clock.nowMs;

  async take(step: Step): Promise<void> {
    const { database } = this;
    switch (step.kind) {
      case "budget": {
        const { scope, window, timeZone, terms } = step;
        const budget = aBudget({ scope, window, timeZone, ...terms, createdMs: this.now() });
        this.#model.addBudget(await database.budgets.create(budget), terms);
        return;
      }
      case "change": {
        const changed = picked(this.#model.budgets, step.pick);
        if (!changed) return;
        const increase = step.increase && { nano: step.increase.nano, untilMs: this.now() + step.increase.forMs };
        expect(await database.budgets.change(changed.row.id, { ...step.terms, increase })).not.toBeNull();
        changed.terms = { ...changed.terms, ...step.terms };
        changed.increase = increase;
        return;
      }
      case "reset": {
        const anew = picked(this.#model.budgets, step.pick);
        if (!anew) return;
        this.#model.resetNow(anew, this.now());
        expect(await database.budgets.reset(anew.row.id)).not.toBeNull();
        return;
      }
      case "remove": {
        const removed = picked(this.#model.budgets, step.pick);
        if (!removed) return;
        expect(await database.budgets.remove(removed.row.id)).toBe(true);
        this.#model.budgets = this.#model.budgets.filter((other) => other !== removed);
        return;
      }
      case "credit": {
        const { id, nano, forMs } = step;
        const expiresMs = forMs === null ? null : this.now() + forMs;
        await database.credits.add({ accountId: id, nano, expiresMs, note: null });
        this.#model.credit(id, nano, expiresMs, this.now());
        return;
      }
      case "move":
        await this.#move(step.id, step.parentId);
        return;
      case "admit": {
        const admissions = step.calls.map((call) => this.#admission(call));
        // All at once: they share one transaction, in this order, with the move before them.
        const moved = step.overtaking && this.#move(step.overtaking.id, step.overtaking.parentId);
        const results = await Promise.all(admissions.map((admission) => database.ledger.admit(admission)));
        await moved;
        for (const [at, result] of results.entries()) {
          const admission = admissions[at] ?? anAdmission();
          if (this.#isOvertaken(admission)) expect(result).toEqual({ admitted: false, outdated: true });
          else this.#model.admitted(admission, result);
        }
        return;
      }
      case "finish": {
        const ending = picked(this.#model.open, step.pick);
        if (!ending) return;
        const { admission, heldNano } = ending;
        const last = admission.scopes.findLast(({ kind }) => kind === "provider")?.id ?? admission.provider;
        const provider = step.fellBack ? last : admission.provider;
        const chargeNano = step.percent === null ? null : Math.ceil(((heldNano || 100) * step.percent) / 100);
        const final = aFinal(admission.callId, { provider, chargeNano, costNano: chargeNano, finishedMs: this.now() });
        await Promise.all([
          database.ledger.finish(final),
          database.ledger.finish({ ...final, chargeNano: 12_345, status: "shutdown" }),
        ]);
        await database.ledger.finish({ ...final, chargeNano: 54_321 });
        this.#model.finished(ending, provider, chargeNano);
        return;
      }
      case "reprice": {
        const { calls } = await database.adjustments.ratedCalls({ from: 0, to: Number.MAX_SAFE_INTEGER, limit: 1_000 });
        const call = picked(calls, step.pick);
        if (!call) return;
        const chargeNano = Math.ceil(((call.chargeNano ?? 50) * step.percent) / 100);
        const reprice = { seq: call.seq, costNano: chargeNano, chargeNano, priceVersion: "book 2" };
        const note = { reason: "because", author: "somebody" };
        // At the same time: the second finds nothing to do.
        await Promise.all([database.adjustments.write([reprice], note), database.adjustments.write([reprice], note)]);
        const [row] = rowsOf<{ id: string }>(this.path, `SELECT id FROM calls WHERE seq = ${call.seq}`);
        this.#model.repriced(row?.id ?? "", chargeNano);
        return;
      }
      case "refuse":
        await database.ledger.refuse(aRefusal({ startedMs: this.now(), keyId: keyOf(step.key) }));
        this.#model.refused.push(this.now());
        return;
      case "advance":
        this.#clock.nowMs += step.ms;
        return;
      case "restart":
        await database.close();
        this.database = await openAt(this.path, this.now);
        expect(await this.database.ledger.sweep(step.policy, this.now())).toBe(this.#model.open.length);
        this.#model.swept(step.policy);
    }
  }

  async check(): Promise<void> {
    const model = this.#model;
    expect((await this.database.prove()).filter(({ ok }) => !ok)).toEqual([]);
    for (const budget of model.budgets) {
      const { spentNano, heldNano } = await this.#shown(budget.row.id);
      expect({ spentNano, heldNano }).toEqual(usedAt(budget, this.now()));
    }
    for (const id of Object.keys(firstParents)) {
      const shown = await this.database.credits.balance(id);
      const balance = model.balances.get(id);
      // It was read as of now.
      balance?.expire(this.now());
      expect([shown?.balanceNano, shown?.heldNano]).toEqual([
        balance?.balanceNano,
        balance && usedAt(balance, 0).heldNano,
      ]);
    }
    // The view shows the true now, where no test has been but in its first moments.
    const untilMs = Date.now() + 1_000;
    for (const row of rowsOf<BudgetRow>(this.path, "SELECT * FROM v_budget")) {
      const budget = model.budgetOf(row.budget_id);
      if (budget.resets.length === 0) expect(sumsOf(row)).toEqual(inRows(budget, row.window_start_ms, untilMs));
    }
    for (const row of rowsOf<BudgetRow>(this.path, everyWindow))
      expect(sumsOf(row)).toEqual(inRow(model.budgetOf(row.budget_id), row.window_start_ms));
    const sum = model.charges.reduce((total, { chargeNano }) => total + (chargeNano ?? 0), 0);
    expect(rowsOf(this.path, figures)).toEqual([
      {
        rows: model.open.length + model.charges.length + model.refused.length,
        ids: model.open.length + model.charges.length + model.refused.length,
        open: model.open.length,
        refused: model.refused.length,
        charged: sum,
        entries: 0 - sum,
        entered: model.charges.filter(({ endedNano }) => endedNano).length,
      },
    ]);
    expect(rowsOf(this.path, strayEntries)).toEqual([]);
  }

  async #move(id: string, parentId: string | null): Promise<void> {
    const nowMs = this.now();
    const cycle = parentId !== null && this.#model.line(parentId, Number.MAX_SAFE_INTEGER).includes(id);
    if (!cycle) this.#model.moved(id, parentId, nowMs);
    const moved = await settled(() => this.database.accounts.change(id, { parentId }));
    expect(moved).toMatchObject(cycle ? { kind: "invalid-request" } : { id, parentId });
  }

  #isOvertaken({ accountId, startedMs, scopes }: Admission): boolean {
    const asked = scopes.flatMap((scope) => (scope.kind === "account" ? [scope.id] : []));
    return asked.join() !== this.#model.line(accountId, startedMs).join();
  }

  async #shown(id: string) {
    const row = await this.database.budgets.get(id);
    if (!row) throw new Error("a budget is gone");
    return row;
  }

  #admission({ key, model, providers, lagMs, need, priced }: AskedCall): Admission {
    const keyId = keyOf(key);
    const accountId = callers[key] ?? callers[0];
    const startedMs = this.now() - lagMs;
    const chargeNano = Math.min(need.inputNano, 30);
    return anAdmission({
      startedMs,
      accountId,
      keyId,
      model,
      provider: providers[0] ?? "",
      need,
      ifInterrupted: priced ? { inputTokens: 0, costNano: chargeNano, chargeNano, priceVersion: "book" } : null,
      scopes: [
        ...(keyId === null ? [] : [{ kind: "key", id: keyId } as const]),
        ...this.#model.line(accountId, startedMs).map((id) => ({ kind: "account", id }) as const),
        { kind: "model", id: model },
        ...providers.map((id) => ({ kind: "provider", id }) as const),
        { kind: "global", id: "global" },
      ],
    });
  }
}

interface BudgetRow {
  readonly budget_id: string;
  readonly window_start_ms: number;
  readonly spent_nano: number;
  readonly held_nano: number;
}

const figures = `SELECT count(*) AS rows, count(DISTINCT call_id) AS ids, coalesce(sum(status = 'open'), 0) AS open,
  coalesce(sum(status = 'refused'), 0) AS refused, coalesce(sum(charge_nano), 0) AS charged,
  (SELECT coalesce(sum(delta_nano), 0) FROM v_ledger WHERE kind IN ('charge', 'adjustment')) AS entries,
  (SELECT count(*) FROM v_ledger WHERE kind = 'charge') AS entered FROM v_usage`;
const everyWindow = `SELECT b.id AS budget_id, w.start_ms AS window_start_ms, w.spent_nano, w.held_nano
  FROM budget_windows w JOIN budgets b ON b.ref = w.budget_ref
  WHERE b.removed_ms IS NULL AND b.prepaid = 0`;
/** Entries that are not, with the adjustments, exactly the charge of their call, on its account. */
const strayEntries = `SELECT * FROM (SELECT call_id, account_id, sum(delta_nano) AS nano FROM v_ledger
  WHERE kind IN ('charge', 'adjustment') GROUP BY call_id, account_id) e
  WHERE NOT EXISTS (SELECT 1 FROM v_usage u
    WHERE u.call_id = e.call_id AND u.account_id = e.account_id AND u.charge_nano = -e.nano)`;

const sumsOf = (row: BudgetRow) => ({ spentNano: row.spent_nano, heldNano: row.held_nano });
const keyOf = (at: number): string | null => (at < 2 ? `key-${at}` : null);
const picked = <Item>(items: readonly Item[], pick: number): Item | undefined =>
  items[pick % Math.max(items.length, 1)];

/** What it comes to: the value, or what is thrown. */
async function settled(work: () => unknown): Promise<unknown> {
  try {
    return await work();
  } catch (error) {
    return error;
  }
}
