import { describe, expect, test } from "bun:test";
import type { Database } from "../../core/storage/database.ts";
import { aBudget, aFinal, aKey, anAdmission, anId } from "./storage-samples.ts";

/** The part of the storage contract that is about the tree of accounts. */
export function testAccounts({
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
  const make = async (name: string, parentId: string | null) =>
    (await database().accounts.create({ id: anId(), name, parentId, createdMs: now() })).id;
  const line = async (id: string, atMs = now()) => (await database().accounts.lineage(id, atMs)).map((row) => row.id);
  /** From the root down, one under the other. */
  async function chain(levels: number): Promise<string[]> {
    const ids: string[] = [];
    for (let level = 0; level < levels; level++) ids.push(await make(`level ${level}`, ids.at(-1) ?? null));
    return ids;
  }
  const refusal = async (work: () => unknown): Promise<unknown> => {
    try {
      return await work();
    } catch (error) {
      return error;
    }
  };

  describe("storage contract: the tree of accounts", () => {
    test("a word finds the account with that id, or else the one at the top with that name, as accounts are now", async () => {
      const find = (word: string) => database().accounts.idOf(word);
      const why = (word: string) => database().accounts.whyNot(word);
      const first = await make("only one", null);
      expect(await find(first)).toBe(first);
      for (let time = 0; time < 2; time++) expect(await find("only one")).toBe(first);
      for (const word of ["", "ONLY ONE", "only one ", "__proto__", "' or 1=1--", "nobody", "/", "only one/"]) {
        expect(await find(word)).toBeNull();
        expect(await why(word)).toBe("no account has this id or name");
      }
      await database().accounts.change(first, { name: "renamed" });
      expect([await find("only one"), await find("renamed")]).toEqual([null, first]);
      const second = await make(first, null);
      // A name that is another one's id does not stand in for it.
      expect(await find(first)).toBe(first);
      await database().accounts.remove(first);
      expect([await find("renamed"), await find(first)]).toEqual([null, second]);
    });

    test("the people below an account can take no name from another one, nor in advance", async () => {
      const find = (word: string) => database().accounts.idOf(word);
      const why = (word: string) => database().accounts.whyNot(word);
      const [tenant, org] = [await make("tenant", null), await make("org", null)];
      const twin = await make("tenant", org);
      expect([await find("tenant"), await find("org/tenant")]).toEqual([tenant, twin]);
      const future = await make("future", org);
      expect(await find("future")).toBeNull();
      expect(await why("future")).toBe(
        "only accounts below others have this name: give the id, or the path (Org/Team)",
      );
      const deep = await make("deep", future);
      expect(await find("org/future/deep")).toBe(deep);
      for (const word of ["future/deep", "org/deep", "org/future/deep/", "org//deep"])
        expect(await find(word)).toBeNull();
      // The name of one at the top goes before a path.
      const slash = await make("org/future", null);
      expect(await find("org/future")).toBe(slash);
      await database().accounts.change(deep, { name: "other" });
      expect([await find("org/future/deep"), await find("org/future/other")]).toEqual([null, deep]);
      await database().accounts.change(deep, { parentId: org });
      expect([await find("org/future/other"), await find("org/other")]).toEqual([null, deep]);
      await make("tenant", null);
      expect(await find("tenant")).toBeNull();
      await make("other", org);
      expect([await find("org/other"), await why("org/other")]).toEqual([
        null,
        "several accounts have this name: give the id",
      ]);
    });

    test("an account is found as it is now, whatever is below it", async () => {
      const find = async (id: string) => await database().accounts.find(id);
      const top = await make("top", null);
      const id = await make("low", top);
      expect(await find("nobody")).toBeNull();
      expect(await find("low")).toBeNull();
      expect(await find(id)).toEqual({ id, name: "low", parentId: top, createdMs: now() });
      await database().accounts.change(id, { name: "renamed", parentId: null });
      expect(await find(id)).toMatchObject({ name: "renamed", parentId: null });
      await database().accounts.remove(id);
      expect(await find(id)).toBeNull();
    });

    test("what an account says of its calls is changed in part, gone when it says nothing, and kept over a restart", async () => {
      const { accounts, accountTerms } = database();
      const id = await make("told", null);
      expect([accountTerms.isAnySet(), accountTerms.of(id)]).toEqual([false, null]);
      const models = ["it's/*", "fast"];
      await accounts.change(id, { terms: { models, operations: ["chat"] } });
      await accounts.change(id, { terms: { operations: "all", metadata: { owner: "me" }, keyRotation: false } });
      const changed = accountTerms.of(id);
      const all = {
        models,
        providers: "all",
        operations: "all",
        uncappedOutputTokens: null,
        keyRotation: false,
      } as const;
      expect(changed).toEqual({ ...all, metadata: { owner: "me" }, metadataBelow: [] });
      await restart();
      const after = database().accountTerms;
      expect([after.isAnySet(), after.of(id), after.of("nobody")]).toEqual([true, changed, null]);
      await database().accounts.change(id, { terms: { models: "all", metadata: {}, keyRotation: true } });
      expect([after.isAnySet(), after.of(id)]).toEqual([false, null]);
      await restart();
      expect(database().accountTerms.isAnySet()).toBe(false);
    });

    test("metadata that people of an account set is known as theirs until it is said from above", async () => {
      const { accounts, accountTerms } = database();
      const id = await make("tagged", null);
      const below = (metadata: Readonly<Record<string, string>>) =>
        accounts.change(id, { terms: { metadata }, fromBelow: true });
      await accounts.change(id, { terms: { metadata: { tier: "gold", owner: "ops" } } });
      await below({ tier: "gold", owner: "us", team: "a" });
      expect(accountTerms.of(id)?.metadataBelow).toEqual(["owner", "team"]);
      // Back to what it was from above, and said again from there beside another one, it is theirs still.
      await below({ tier: "gold", owner: "ops", team: "a" });
      await accounts.change(id, { terms: { metadata: { tier: "silver", owner: "ops", team: "a" }, models: ["fast"] } });
      await restart();
      const terms = database().accountTerms.of(id);
      expect(terms).toMatchObject({ metadata: { tier: "silver", owner: "ops", team: "a" } });
      expect(terms?.metadataBelow).toEqual(["owner", "team"]);
      for (const metadata of [{ team: "b" }, { team: "b", owner: "ops" }])
        await database().accounts.change(id, { terms: { metadata } });
      expect(database().accountTerms.of(id)?.metadataBelow).toEqual([]);
      const made = { id: anId(), name: "made below", parentId: id, createdMs: now() };
      await database().accounts.create(made, { terms: { metadata: { tier: "gold" } }, fromBelow: true });
      expect(database().accountTerms.of(made.id)?.metadataBelow).toEqual(["tier"]);
    });

    test("an account is disabled until it is enabled, also over a restart", async () => {
      const [one, other] = [await make("one", null), await make("other", null)];
      const states = () => [one, other, "nobody"].map((id) => database().accounts.isDisabled(id));
      expect(states()).toEqual([false, false, false]);
      expect(await database().accounts.change(one, { disabled: true })).toMatchObject({ disabled: true });
      await database().accounts.change(one, { disabled: true, name: "renamed" });
      expect(states()).toEqual([true, false, false]);
      await restart();
      expect(states()).toEqual([true, false, false]);
      expect(await database().accounts.get(one)).toMatchObject({ name: "renamed", disabled: true });
      // What fails changes nothing.
      expect(
        await refusal(() => database().accounts.change(other, { disabled: true, parentId: "nobody" })),
      ).toMatchObject({ kind: "not-found" });
      expect(states()).toEqual([true, false, false]);
      expect(await database().accounts.change(one, { disabled: false })).toMatchObject({ disabled: false });
      expect(states()).toEqual([false, false, false]);
    });

    test("an account has a line of eight at most, also when a tree is moved under another", async () => {
      const ids = await chain(8);
      expect(await line(ids[7] ?? "")).toEqual(ids.toReversed());
      expect(await refusal(() => make("too deep", ids[7] ?? ""))).toMatchObject({ kind: "invalid-request" });
      const [top = "", , bottom = ""] = await chain(3);
      expect(await refusal(() => database().accounts.change(top, { parentId: ids[5] ?? "" }))).toMatchObject({
        kind: "invalid-request",
        details: { param: "parentId" },
      });
      await database().accounts.change(top, { parentId: ids[4] ?? "" });
      expect(await line(bottom)).toHaveLength(8);
    });

    test("an account is never under itself or what is below it", async () => {
      const [top = "", middle = "", bottom = ""] = await chain(3);
      for (const parentId of [top, middle, bottom])
        expect(await refusal(() => database().accounts.change(top, { parentId }))).toMatchObject({
          kind: "invalid-request",
        });
      expect(await line(bottom)).toEqual([bottom, middle, top]);
    });

    test("a parent that does not exist, or not any more, is refused", async () => {
      const gone = await make("gone", null);
      const one = await make("one", null);
      await database().accounts.remove(gone);
      for (const parentId of ["nobody", gone]) {
        expect(await refusal(() => make("child", parentId))).toMatchObject({ kind: "not-found" });
        expect(await refusal(() => database().accounts.change(one, { parentId }))).toMatchObject({ kind: "not-found" });
      }
      expect(await database().accounts.change("nobody", { name: "x" })).toBeNull();
    });

    test("a move changes the line of all below from then on, and not of what started before", async () => {
      const [top = "", middle = "", bottom = ""] = await chain(3);
      const other = await make("other", null);
      const movedMs = now() + 10;
      advance(10);
      await database().accounts.change(middle, { parentId: other });
      advance(10);
      await database().accounts.change(middle, { parentId: null });
      for (const restarted of [false, true]) {
        if (restarted) await restart();
        expect(await line(bottom, movedMs - 1)).toEqual([bottom, middle, top]);
        expect(await line(bottom, movedMs)).toEqual([bottom, middle, other]);
        expect(await line(bottom, movedMs + 9)).toEqual([bottom, middle, other]);
        expect(await line(bottom, movedMs + 10)).toEqual([bottom, middle]);
      }
    });

    test("scopes that the tree has overtaken are not admitted", async () => {
      const parent = await make("parent", null);
      const child = await make("child", null);
      const scopes = [{ kind: "account", id: child } as const];
      await database().accounts.change(child, { parentId: parent });
      const admission = anAdmission({ accountId: child, scopes, startedMs: now() });
      expect(await database().ledger.admit(admission)).toEqual({ admitted: false, outdated: true });
      expect(await database().calls.openCount()).toBe(0);
    });

    test("only an account with nothing on it is removed; its calls stay, and it takes none any more", async () => {
      const [top = "", bottom = ""] = await chain(2);
      const removal = () => database().accounts.remove(bottom);
      expect(await refusal(() => database().accounts.remove(top))).toMatchObject({ kind: "conflict" });
      expect(await refusal(() => database().accounts.remove("default"))).toMatchObject({ kind: "conflict" });
      const key = aKey({ accountId: bottom });
      await database().keys.create(key, null);
      expect(await refusal(removal)).toMatchObject({ kind: "conflict" });
      await database().keys.revoke(key.id, now());
      const budget = await database().budgets.create(aBudget({ scope: { kind: "account", id: bottom } }));
      expect(await refusal(removal)).toMatchObject({ kind: "conflict" });
      await database().budgets.remove(budget.id);
      const scopes = [bottom, top].map((id) => ({ kind: "account", id }) as const);
      const admission = anAdmission({ accountId: bottom, scopes, startedMs: now() });
      await database().ledger.admit(admission);

      expect(await removal()).toBe(true);
      expect(await removal()).toBe(false);
      expect(await database().accounts.get(bottom)).toBeNull();
      expect(await line(bottom)).toEqual([]);
      expect(await refusal(() => database().keys.create(aKey({ accountId: bottom }), null))).toMatchObject({
        kind: "not-found",
      });
      await database().ledger.finish(aFinal(admission.callId));
      expect(await database().calls.get(admission.callId)).toMatchObject({ status: "ok", accountId: bottom });
      expect(await database().accounts.remove(top)).toBe(true);
      expect((await database().prove()).filter(({ ok }) => !ok)).toEqual([]);
    });

    test("usage of an account with all below it", async () => {
      const [top = "", middle = "", bottom = ""] = await chain(3);
      for (const [id, above] of [
        [top, [top]],
        [middle, [middle, top]],
        [bottom, [bottom, middle, top]],
        ["default", ["default"]],
      ] as const) {
        const scopes = above.map((one) => ({ kind: "account", id: one }) as const);
        const admission = anAdmission({ accountId: id, scopes, startedMs: now() });
        await database().ledger.admit(admission);
        await database().ledger.finish(aFinal(admission.callId));
      }
      const callsUnder = async (under: string) =>
        (await database().calls.usage({ from: 0, to: now() * 2, groupBy: ["account"], under })).total.calls;
      expect(await Promise.all([top, middle, bottom, "default", "nobody"].map(callsUnder))).toEqual([3, 2, 1, 1, 0]);
    });
  });
}
