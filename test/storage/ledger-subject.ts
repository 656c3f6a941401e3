import { expect } from "bun:test";
import type { Admission } from "../../core/storage/database.ts";
import { aBudget, aFinal, aKey, anAdmission, aRefusal } from "../contract/storage-samples.ts";
import { LedgerModel, type OpenCall } from "./ledger-model.ts";
import { type AskedCall, firstParents, type Step } from "./ledger-steps.ts";
import { LedgerStore } from "./ledger-store.ts";

/** Whose calls they are; the third caller has no key. */
const callers = ["default", "user", "team"] as const;
/** More would only refuse every call. */
const mostBudgets = 10;

/** The real ledger and the model side by side: each step is done to both, and what the ledger answers is held to the model. */
export class Subject {
  readonly model = new LedgerModel();
  readonly store: LedgerStore;
  readonly #clock: { nowMs: number };

  static async open(empty: string, newPath: () => string, nowMs: number): Promise<Subject> {
    const clock = { nowMs };
    const store = await LedgerStore.copyOf(empty, newPath, () => clock.nowMs);
    for (const [id, parentId] of Object.entries(firstParents))
      if (id !== "default") await store.database.accounts.create({ id, parentId, name: id, createdMs: 0 });
    for (const [at, accountId] of callers.slice(0, 2).entries())
      await store.database.keys.create(aKey({ id: `key-${at}`, accountId }), null);
    return new Subject(store, clock);
  }
  private constructor(store: LedgerStore, clock: { nowMs: number }) {
    this.store = store;
    this.#clock = clock;
  }
  readonly now = (): number => this.#clock.nowMs;

  /** How many things it did: each call that asks or ends, each edit. 0: there was nothing to do it to. */
  async take(step: Step): Promise<number> {
    const { model } = this;
    const { database } = this.store;
    switch (step.kind) {
      case "budget": {
        if (model.budgets.length >= mostBudgets) return 0;
        const { scope, window, timeZone, terms } = step;
        const budget = aBudget({ scope, window, timeZone, ...terms, createdMs: this.now() });
        model.addBudget(await database.budgets.create(budget), terms);
        return 1;
      }
      case "change": {
        const changed = picked(model.budgets, step.pick);
        if (!changed) return 0;
        const increase = step.increase && { nano: step.increase.nano, untilMs: this.now() + step.increase.forMs };
        expect(await database.budgets.change(changed.row.id, { ...step.terms, increase })).not.toBeNull();
        changed.terms = { ...changed.terms, ...step.terms };
        changed.increase = increase;
        return 1;
      }
      case "reset": {
        const anew = picked(model.budgets, step.pick);
        if (!anew) return 0;
        model.resetNow(anew, this.now());
        expect(await database.budgets.reset(anew.row.id)).not.toBeNull();
        return 1;
      }
      case "remove": {
        const removed = picked(model.budgets, step.pick);
        if (!removed) return 0;
        expect(await database.budgets.remove(removed.row.id)).toBe(true);
        model.budgets = model.budgets.filter((other) => other !== removed);
        return 1;
      }
      case "credit": {
        const { id, nano, forMs } = step;
        const expiresMs = forMs === null ? null : this.now() + forMs;
        await database.credits.add({ accountId: id, nano, expiresMs, note: null });
        model.credit(id, nano, expiresMs, this.now());
        return 1;
      }
      case "move":
        await this.#move(step.id, step.parentId);
        return 1;
      case "admit": {
        const admissions = step.calls.map((call) => this.#admission(call));
        // All at once: they share one transaction, in this order, with the move before them.
        const moved = step.overtaking && this.#move(step.overtaking.id, step.overtaking.parentId);
        const results = await Promise.all(admissions.map((admission) => database.ledger.admit(admission)));
        await moved;
        for (const [at, result] of results.entries()) {
          const admission = admissions[at] ?? anAdmission();
          if (!this.#isOvertaken(admission)) {
            model.admitted(admission, result);
            continue;
          }
          expect(result).toEqual({ admitted: false, outdated: true });
          model.payer(admission);
        }
        return admissions.length + (moved ? 1 : 0);
      }
      case "finish": {
        const ending = picked(model.open, step.pick);
        if (!ending) return 0;
        const { admission, heldNano } = ending;
        const last = admission.scopes.findLast(({ kind }) => kind === "provider")?.id ?? admission.provider;
        const provider = step.fellBack ? last : admission.provider;
        const chargeNano = step.percent === null ? null : Math.ceil(((heldNano || 100) * step.percent) / 100);
        await this.#finishTwice(ending, provider, chargeNano);
        await database.ledger.finish(aFinal(admission.callId, { chargeNano: 54_321 }));
        return 1;
      }
      case "rush":
        return this.#rush(step);
      case "reprice": {
        const { calls } = await database.adjustments.ratedCalls({ from: 0, to: Number.MAX_SAFE_INTEGER, limit: 40 });
        const call = picked(calls, step.pick);
        if (!call) return 0;
        const chargeNano = Math.ceil(((call.chargeNano ?? 50) * step.percent) / 100);
        const reprice = { seq: call.seq, costNano: chargeNano, chargeNano, priceVersion: "book 2" };
        const note = { reason: "because", author: "somebody" };
        // At the same time: the second finds nothing to do.
        await Promise.all([database.adjustments.write([reprice], note), database.adjustments.write([reprice], note)]);
        const [row] = this.store.rows<{ id: string }>("SELECT id FROM calls WHERE seq = ?", call.seq);
        model.repriced(row?.id ?? "", chargeNano, this.now());
        return 1;
      }
      case "refuse":
        await database.ledger.refuse(aRefusal({ startedMs: this.now(), keyId: keyOf(step.key) }));
        model.refused.push(this.now());
        return 1;
      case "advance":
        this.#clock.nowMs += step.ms;
        return 1;
      case "restart":
        await this.store.restart();
        await this.#sweep(step.policy);
        return 1;
      case "crash": {
        const lost = [
          ...step.lost.map((call) => database.ledger.admit(this.#admission(call))),
          ...model.open.map(({ admission: { callId } }) => database.ledger.finish(aFinal(callId))),
        ];
        await this.store.crash();
        await Promise.all(lost);
        await this.#sweep(step.policy);
        return lost.length + 1;
      }
    }
  }

  /** What is done in one turn is done in the order of asking. */
  async #rush({ pick, terms, calls, ends }: Step & { kind: "rush" }): Promise<number> {
    const { model } = this;
    const { database } = this.store;
    const budget = picked(model.budgets, pick);
    const ending = model.open.slice(0, ends);
    const admissions = calls.map((call) => this.#admission(call));
    const before = budget && database.budgets.change(budget.row.id, terms[0]);
    const results = Promise.all(admissions.map((admission) => database.ledger.admit(admission)));
    const ended = ending.map((call) => database.ledger.finish(aFinal(call.admission.callId, this.#endOf(call))));
    const after = budget && database.budgets.change(budget.row.id, terms[1]);
    await Promise.all([before, ...ended, after]);

    if (budget) budget.terms = { ...budget.terms, ...terms[0] };
    for (const [at, result] of (await results).entries()) model.admitted(admissions[at] ?? anAdmission(), result);
    for (const call of ending) model.finished(call, call.admission.provider, this.#endOf(call).chargeNano);
    if (budget) budget.terms = { ...budget.terms, ...terms[1] };
    return admissions.length + ending.length + (budget ? 2 : 0);
  }

  readonly #endOf = ({ heldNano, admission: { provider } }: OpenCall) => ({
    provider,
    chargeNano: Math.ceil(heldNano / 2),
    finishedMs: this.now(),
  });

  async #finishTwice(ending: OpenCall, provider: string, chargeNano: number | null): Promise<void> {
    const { ledger } = this.store.database;
    const { callId } = ending.admission;
    const final = aFinal(callId, { provider, chargeNano, costNano: chargeNano, finishedMs: this.now() });
    await Promise.all([ledger.finish(final), ledger.finish({ ...final, chargeNano: 12_345, status: "shutdown" })]);
    this.model.finished(ending, provider, chargeNano);
  }

  async #sweep(policy: "input" | "full" | "release"): Promise<void> {
    expect(await this.store.database.ledger.sweep(policy, this.now())).toBe(this.model.open.length);
    this.model.swept(policy);
  }

  async #move(id: string, parentId: string | null): Promise<void> {
    const nowMs = this.now();
    const cycle = parentId !== null && this.model.line(parentId, Number.MAX_SAFE_INTEGER).includes(id);
    if (!cycle) this.model.moved(id, parentId, nowMs);
    const moved = await settled(() => this.store.database.accounts.change(id, { parentId }));
    expect(moved).toMatchObject(cycle ? { kind: "invalid-request" } : { id, parentId });
  }

  #isOvertaken({ accountId, startedMs, scopes }: Admission): boolean {
    const asked = scopes.flatMap((scope) => (scope.kind === "account" ? [scope.id] : []));
    return asked.join() !== this.model.line(accountId, startedMs).join();
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
        ...this.model.line(accountId, startedMs).map((id) => ({ kind: "account", id }) as const),
        { kind: "model", id: model },
        ...providers.map((id) => ({ kind: "provider", id }) as const),
        { kind: "global", id: "global" },
      ],
    });
  }
}

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
