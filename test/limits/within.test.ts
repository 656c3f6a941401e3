import { expect, test } from "bun:test";
import { limitService } from "../../core/api/limit-service.ts";
import { limitsWithin } from "../../core/api/limits-within.ts";
import { placeOf } from "../../core/identity/tenancy.ts";
import { fileRules, limitBook } from "../../core/pipeline/limit-book.ts";
import type { Database } from "../../core/storage/database.ts";
import { anId, aKey, startMs } from "../contract/storage-samples.ts";
import { openAt, temporaryFolder } from "../storage/folder.ts";

const folder = temporaryFolder();

test("whoever belongs to an account has their limits listed page by page, without a look at those of others", async () => {
  const database = await openAt(folder.file());
  for (const id of ["own", "other"])
    await database.accounts.create({ id, name: id, parentId: null, createdMs: startMs });
  const keys = await Promise.all(["own", "other"].map((accountId) => database.keys.create(aKey({ accountId }), null)));
  const made: string[] = [];
  for (let turn = 0; turn < 3; turn++)
    for (const scope of [
      { kind: "account", id: "own" } as const,
      ...keys.map(({ id }) => ({ kind: "key", id }) as const),
      ...Array.from({ length: 20 }, (_, at) => ({ kind: "account", id: at % 2 ? "other" : "gone" }) as const),
    ]) {
      const { id } = await database.limits.create({
        id: anId(),
        scope,
        limits: { requestsPerDay: 5 },
        enforce: true,
        createdMs: startMs,
      });
      if (scope.id === "own" || scope.id === keys[0]?.id) made.unshift(id);
    }
  const looked: (string | null)[] = [];
  const place = placeOf(database, "own");
  const watched = {
    ...place,
    inScope: (scope: Parameters<typeof place.inScope>[0]) => (looked.push(scope.id), place.inScope(scope)),
  };
  const { list } = limitsWithin(serviceOver(database), watched);

  const pages = [];
  for (let after: string | null = null; ;) {
    const page = await list({ limit: 4, after });
    pages.push(page.data.map(({ id }) => id));
    if (page.next === null) break;
    after = page.next;
  }
  expect(pages).toEqual([made.slice(0, 4), [...made.slice(4), "file-0"]]);
  // Those of the file alone, whose scopes are looked up: few, and the same for everybody.
  expect(new Set(looked)).toEqual(new Set(["own", "other", null]));
  expect((await list({ scope: { kind: "account", id: "own" }, limit: 2 })).next).toBe(made[3] ?? "");
  expect((await list({ scope: { kind: "account", id: "other" } })).data).toEqual([]);
  expect(await list({ after: "file-0" })).toEqual({ data: [], next: null });
  const foreign = database.limits.all().find(({ scope }) => scope.id === "other")?.id ?? "";
  // Of others' limits, which are in the database and in the file, it tells no more than of none.
  for (const after of ["nowhere", foreign, "file-1", "default-ip"])
    expect([after, await list({ after }).catch(String)]).toEqual([after, expect.stringContaining("not a cursor")]);
  await database.close();
});

function serviceOver(database: Database) {
  const ofFile = ["own", "other"].map(
    (id) => ({ scope: { kind: "account", id }, limits: { requestsPerDay: 5 } }) as const,
  );
  return limitService({
    database,
    book: limitBook(fileRules(ofFile.map((rule) => ({ ...rule, enforce: true })))),
    limiters: [],
    now: () => startMs,
    newId: anId,
    enforces: { limits: true, budgets: true },
  });
}
