import { describe, expect, test } from "bun:test";
import { treeOf } from "../../core/dashboard/tree.ts";
import type { UsageGroup } from "../../core/storage/database.ts";
import { noSums } from "../../core/storage/usage-sums.ts";
import { seed, callRow } from "./seed.ts";
import { site, startMs } from "./site.ts";
import { formWith, signedIn, type Visitor } from "./visitor.ts";

const text = (markup: string): string =>
  markup
    .replaceAll(/<title>[^<]*<\/title>|<(?!span class="fine")[^>]+>/g, " ")
    .replaceAll(/<[^>]+>/g, "")
    .replaceAll(/\s+/g, " ");
const pageOf = async (visitor: Visitor, path: string) => text(await (await visitor.get(path)).text());

describe("accounts", () => {
  test("the tree sums each account with all below it, each level by name", () => {
    const account = (id: string, parentId: string | null) => ({
      id,
      parentId,
      name: id,
      createdMs: 0,
      children: 0,
      keys: 1,
      disabled: false,
    });
    const accounts = [
      account("b", null),
      account("a", null),
      account("b2", "b"),
      account("b1", "b"),
      account("b11", "b1"),
    ];
    const usage = ["b", "b11", "a"].map((id, at): UsageGroup => ({
      ...noSums,
      group: { account: id },
      calls: 1,
      chargeNano: 10 ** at,
    }));
    expect(treeOf(accounts, usage).map(({ id, depth, calls, chargeNano }) => [id, depth, calls, chargeNano])).toEqual([
      ["a", 0, 1, 100],
      ["b", 0, 2, 11],
      ["b1", 1, 1, 10],
      ["b11", 2, 1, 10],
      ["b2", 1, 0, 0],
    ]);
    const huge = ["b", "b1", "b11"].map((id): UsageGroup => ({
      ...noSums,
      group: { account: id },
      chargeNano: 9_007_199_254_740_991,
    }));
    expect(treeOf(accounts, huge).find(({ id }) => id === "b")?.chargeNano).toBe(27_021_597_764_222_973n);
    // The parent is beyond what is shown.
    expect(treeOf([account("b11", "b1")], []).map(({ depth }) => depth)).toEqual([0]);
  });

  test("are made, renamed, moved and removed by forms", async () => {
    const one = site({ seed: seed() });
    const visitor = await signedIn(one);
    const made = await visitor.post("/dashboard/accounts", { name: "Sales", parentId: "acme" });
    const path = made.headers.get("location") ?? "";
    expect([made.status, path]).toEqual([303, expect.stringMatching(/^\/dashboard\/accounts\/[0-9a-f-]{36}$/)]);
    expect(await pageOf(visitor, path)).toMatch(/Accounts \/ Acme Industries.* Sales/);
    await visitor.post(path, { name: "Sales <i>", parentId: "research" });
    expect(await (await visitor.get(path)).text()).toContain("Sales &lt;i&gt;");
    expect(one.database.rows.accounts.at(-1)).toMatchObject({ name: "Sales <i>", parentId: "research" });
    await visitor.post(path, { name: "Sales", parentId: "" });
    expect(one.database.rows.accounts.at(-1)).toMatchObject({ parentId: null });
    expect((await visitor.post(`${path}/state`, { disabled: "true" })).headers.get("location")).toBe(path);
    expect(await pageOf(visitor, path)).toMatch(/This account is disabled.*Take calls again/);
    await visitor.post(path, { name: "Sales", parentId: "research" });
    await visitor.post(`${path}/state`, { disabled: "false" });
    await visitor.post("/dashboard/accounts/research/state", { disabled: "true" });
    expect(await pageOf(visitor, path)).toMatch(
      /Calls on this account are refused, because Research above it.*Disable this/,
    );
    expect((await visitor.post("/dashboard/accounts/nobody/state", { disabled: "true" })).status).toBe(404);
    expect((await visitor.post(`${path}/removal`)).headers.get("location")).toBe("/dashboard/accounts");
    expect((await visitor.get(path)).status).toBe(404);
  });

  test("keep in their forms what was not typed", async () => {
    const one = site({ seed: seed() });
    const visitor = await signedIn(one);
    const path = "/dashboard/accounts/research";
    const said = {
      models: ["a,b", "c d"],
      providers: ["up"],
      operations: ["embeddings", "chat"],
      uncappedOutputTokens: 500,
      keyRotation: false,
      metadata: { note: "x, y=z", lead: " lead" },
    } as const;
    await one.database.accounts.change("research", { terms: said });
    const formOf = async (field: string) => formWith(field, await (await visitor.get(path)).text());
    const terms = await formOf("models");
    const place = await formOf("parentId");
    for (const form of [terms, place]) expect((await visitor.post(path, form)).headers.get("location")).toBe(path);
    expect(one.database.accountTerms.of("research")).toMatchObject(said);
    expect(one.database.rows.accounts.find(({ id }) => id === "research")).toMatchObject({
      name: "Research",
      parentId: "acme",
    });
    // Meanwhile, in another tab.
    await visitor.post(path, { name: "Studies", parentId: "default" });
    place.set("content", "forbid");
    await visitor.post(path, place);
    terms.set("providers", "down");
    terms.set("keyRotation", "yes");
    terms.delete("operations");
    await visitor.post(path, terms);
    expect(one.database.rows.accounts.find(({ id }) => id === "research")).toMatchObject({
      name: "Studies",
      parentId: "default",
    });
    expect(one.database.content.setting({ kind: "account", id: "research" })).toBe("forbid");
    expect(one.database.accountTerms.of("research")).toMatchObject({
      ...said,
      providers: ["down"],
      keyRotation: true,
      operations: "all",
    });
    terms.set("metadata", "a=b, a=c");
    expect((await visitor.post(path, terms)).status).toBe(422);
    expect((await visitor.post(path, { name: " " })).status).toBe(422);
  });

  test("a key is made for one of them, and says whose it is", async () => {
    const one = site({ seed: seed() });
    const visitor = await signedIn(one);
    await visitor.post("/dashboard/keys", { name: "laptop", accountId: "zoe" });
    await visitor.post("/dashboard/keys", { name: "server" });
    expect(one.database.rows.keys.slice(-2).map(({ accountId }) => accountId)).toEqual(["zoe", "default"]);
    expect(await pageOf(visitor, "/dashboard/keys")).toMatch(/laptop sk-llmp-\S+ Zoë &lt;b&gt; active/);
  });

  test("say beside the form why they cannot be", async () => {
    const visitor = await signedIn(site({ seed: seed() }));
    const unnamed = await visitor.post("/dashboard/accounts", { name: "  " });
    expect([unnamed.status, text(await unnamed.text())]).toEqual([422, expect.stringContaining("Name: missing")]);
    const kept = await visitor.post("/dashboard/accounts/acme/removal");
    expect([kept.status, text(await kept.text())]).toEqual([
      422,
      expect.stringContaining("the account has accounts below it"),
    ]);
  });

  test("an account shows what it and all below it used, its budgets and its balance", async () => {
    const calls = ["zoe", "zoe", "acme", "default"].map((accountId, n) =>
      callRow(n, { accountId, createdMs: startMs - n, chargeNano: 1_000_000_001 }),
    );
    const visitor = await signedIn(site({ seed: { ...seed(), calls } }));
    expect(await pageOf(visitor, "/dashboard/accounts/acme")).toContain("Charged in 30 days $3.000000003");
    expect(await pageOf(visitor, "/dashboard/accounts/zoe")).toContain("Charged in 30 days $2.000000002");
    expect(await pageOf(visitor, "/dashboard/accounts/default")).toMatch(/Budgets on it .* account Default/);
    await visitor.post("/dashboard/ledger/credits", { accountId: "zoe", usd: "7.25" });
    expect(await pageOf(visitor, "/dashboard/accounts/zoe")).toContain("Balance $7.25");
    // It is not offered to itself or below itself.
    const page = await (await visitor.get("/dashboard/accounts/acme")).text();
    const places = /<select name="parentId">.*?<\/select>/.exec(page)?.[0] ?? "";
    expect([...places.matchAll(/<option value="([a-z]*)"/g)].map(([, id]) => id)).toEqual(["", "default"]);
  });
});

describe("budgets", () => {
  test("are made and changed by forms, raised for a while, begun anew and removed", async () => {
    const one = site({ seed: seed() });
    const visitor = await signedIn(one);
    const made = await visitor.post("/dashboard/budgets", {
      kind: "account",
      id: "research",
      usd: "12.5",
      window: "week",
      timeZone: "Europe/Berlin",
      onShortfall: "refuse",
      admission: "expected",
    });
    const path = made.headers.get("location") ?? "";
    expect(one.database.rows.budgets.at(-1)).toMatchObject({
      scope: { kind: "account", id: "research" },
      limitNano: 12_500_000_000,
      window: "week",
      timeZone: "Europe/Berlin",
      onShortfall: "refuse",
      admission: "expected",
    });
    expect(await pageOf(visitor, path)).toMatch(/account Research .*Limit \$12\.50 .*week in Europe\/Berlin/);
    await visitor.post(path, { usd: "20", onShortfall: "cap", admission: "bound" });
    await visitor.post(`${path}/increase`, { usd: "5", until: "2025-11-30" });
    expect(one.database.rows.budgets.at(-1)).toMatchObject({
      limitNano: 25_000_000_000,
      onShortfall: "cap",
      increase: { nano: 5_000_000_000, untilMs: Date.UTC(2025, 11, 1) },
    });
    // The form holds the limit without the increase.
    expect(await (await visitor.get(path)).text()).toContain('name="usd" value="20.00"');
    await visitor.post(`${path}/increase`, { usd: "", until: "" });
    expect(one.database.rows.budgets.at(-1)).toMatchObject({ limitNano: 20_000_000_000, increase: null });
    expect((await visitor.post(`${path}/reset`)).headers.get("location")).toBe(path);
    expect((await visitor.post(`${path}/removal`)).headers.get("location")).toBe("/dashboard/budgets");
    expect((await visitor.get(path)).status).toBe(404);
  });

  test.each([
    ["", { kind: "account", id: "nobody", usd: "1", window: "day" }, "Which one: no account has this id"],
    ["", { kind: "key", usd: "1", window: "day" }, "Which one: missing"],
    ["", { kind: "global", id: "x", usd: "1", window: "day" }, "Which one: not for global"],
    ["", { kind: "global", usd: "0", window: "day" }, "Limit in USD: expected an amount above 0"],
    ["", { kind: "global", usd: "1", window: "year" }, "Window: "],
    ["/018f0000-0000-7000-8000-b00000000001", { usd: "x" }, "Limit in USD: expected"],
    [
      "",
      { kind: "global", usd: "9007199.254740992", window: "day" },
      "Limit in USD: expected at most 9007199.254740991",
    ],
    ["", { kind: "global", usd: "1", window: "day", alertPercents: "80, x" }, "Alerts at percents spent: expected"],
    ["/018f0000-0000-7000-8000-b00000000001/increase", { usd: "0", until: "2030-01-01" }, "USD on top of the limit: "],
    ["/018f0000-0000-7000-8000-b00000000001/increase", { usd: "1", until: "" }, "Through: a date"],
  ])("%s with %p says why not", async (path, fields, message) => {
    const one = site({ seed: seed() });
    const first = one.database.rows.budgets[0];
    const visitor = await signedIn(one);
    const answer = await visitor.post(
      `/dashboard/budgets${path && path.replace(/018f[^/]*/, first?.id ?? "")}`,
      fields,
    );
    expect(answer.status).toBe(422);
    expect(text(await answer.text())).toContain(message);
  });
});

describe("the ledger", () => {
  test("lists entries and balances, and takes credits", async () => {
    const visitor = await signedIn(site({ seed: seed() }));
    const credit = { accountId: "acme", usd: "100", expires: "2025-12-31", note: "invoice <7>" };
    expect((await visitor.post("/dashboard/ledger/credits", credit)).headers.get("location")).toBe("/dashboard/ledger");
    const page = await (await visitor.get("/dashboard/ledger")).text();
    expect(text(page)).toMatch(/Balances .*Acme Industries.* \$100\.00/);
    expect(page).toContain("invoice &lt;7&gt;");
    expect(await pageOf(visitor, "/dashboard/ledger?kind=charge")).toContain("No entries.");
    expect(await pageOf(visitor, "/dashboard/ledger?account=acme&kind=credit")).toContain("$100.00");
  });

  test("shows each balance on exactly one page, beside the entries that are open", async () => {
    const names = Array.from({ length: 120 }, (_, at) => `prepaid-${at}`);
    const one = site({
      seed: { accounts: names.map((id, createdMs) => ({ id, name: id, parentId: null, createdMs })) },
    });
    for (const accountId of names)
      await one.database.credits.add({ accountId, nano: 1_000_000_000, expiresMs: null, note: null });
    const visitor = await signedIn(one);
    const shown: string[] = [];
    let last = "";
    let at: string | undefined = "/dashboard/ledger?kind=credit";
    for (let pages = 0; at !== undefined && pages < 5; pages++) {
      const page: string = await (await visitor.get(at)).text();
      const [, balances = ""] = /<h2>Balances<\/h2>([\s\S]*?)<\/section>/.exec(page) ?? [];
      shown.push(...[...balances.matchAll(/\/accounts\/(prepaid-\d+)/g)].map(([, name = ""]) => name));
      const next: string | undefined = /href="([^"]+)">Older balances →/.exec(balances)?.[1]?.replaceAll("&amp;", "&");
      expect(balances.includes("← Newest")).toBe(pages > 0);
      last = at;
      at = next;
    }
    expect(shown.toSorted()).toEqual(names.toSorted());
    // Paging through the one keeps the place in the other.
    const both = await (await visitor.get(last)).text();
    const older = /rel="next" href="([^"]+)">Older →/.exec(both)?.[1]?.replaceAll("&amp;", "&") ?? "";
    expect(Object.fromEntries(new URL(older, "http://x").searchParams)).toEqual({
      kind: "credit",
      after: expect.any(String),
      balances: new URL(last, "http://x").searchParams.get("balances") ?? "none",
    });
  });

  test("keeps what was typed when it is refused", async () => {
    const visitor = await signedIn(site({ seed: seed() }));
    const answer = await visitor.post("/dashboard/ledger/credits", { accountId: "acme", usd: "-1", note: "seven" });
    const page = await answer.text();
    expect([answer.status, text(page)]).toEqual([
      422,
      expect.stringContaining("USD: expected an amount in USD above 0"),
    ]);
    expect(page).toContain('value="seven"');
    const late = await visitor.post("/dashboard/ledger/credits", {
      accountId: "acme",
      usd: "1",
      expires: "2025-11-22",
    });
    expect(text(await late.text())).toContain("Expires after: this day is over.");
  });
});

test("an entry whose call is gone for its age says so", async () => {
  const one = site();
  const row = { accountId: "default", deltaNano: -5, createdMs: startMs, expiresMs: null, note: null };
  one.database.rows.entries.push(
    { ...row, seq: 1, kind: "charge", callId: null },
    { ...row, seq: 2, kind: "charge", callId: "c-1" },
  );
  const page = await pageOf(await signedIn(one), "/dashboard/ledger");
  expect(page.match(/a call that is not kept any more/g)).toHaveLength(1);
  expect(page).toMatch(/14:26:05 call default/);
});

test("the ledger says how long calls are kept, and which are gone", async () => {
  const kept = await pageOf(await signedIn(site()), "/dashboard/ledger");
  expect(kept).toContain("Calls are kept for ever.");
  const day = 86_400_000;
  const retention = {
    keepMs: 30 * day,
    oldestMs: startMs - 29 * day,
    goneBeforeMs: startMs - 30 * day,
    goneCalls: 12_345,
    lastMs: startMs,
  };
  const gone = await pageOf(await signedIn(site({ seed: { retention } })), "/dashboard/ledger");
  expect(gone).toMatch(
    /Calls are kept for 30 days; the oldest is of .*\. 12,345 from before .* were deleted, the last .*: their entries/,
  );
});
