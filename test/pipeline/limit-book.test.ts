import { describe, expect, test } from "bun:test";
import type { Limits, Scope } from "llm-proxy/plugin";
import { limitBook, type LimitRule } from "../../core/pipeline/limit-book.ts";
import { limitsFor } from "../../core/pipeline/scopes.ts";
import { aPrincipal } from "../contract/samples.ts";

const scopes: readonly Scope[] = [
  { kind: "key", id: "key-1" },
  { kind: "account", id: "team" },
  { kind: "account", id: "org" },
  { kind: "model", id: "fast" },
  { kind: "model", id: "mock/a" },
  { kind: "provider", id: "mock" },
  { kind: "global", id: "global" },
];
const principal = aPrincipal({ accountId: "team" });
const rule = (kind: LimitRule["scope"]["kind"], id: string | null, limits: Limits, enforce = true): LimitRule => ({
  id: `${kind}-${id}`,
  source: "api",
  scope: { kind, id },
  limits,
  enforce,
});
const named = (rules: readonly LimitRule[]) =>
  limitBook(rules)
    .of(scopes, principal)
    .map(({ scope, measure, amount, per }) => `${scope.kind} ${scope.id} ${amount} ${measure} ${per ?? ""}`.trim());

describe("limit book", () => {
  test("finds what is on a scope of the call, up the tree, and nothing else", () => {
    expect(
      named([
        rule("account", "org", { requestsPerMinute: 9, usdPerDay: "0.5" }),
        rule("account", "elsewhere", { requestsPerMinute: 1 }),
        rule("key", "org", { requestsPerMinute: 1 }),
        rule("model", "mock/a", { tokensPerHour: 5 }),
        rule("provider", "mock", { concurrency: 3 }),
        rule("global", "global", { inputTokensPerSecond: 7 }),
      ]),
    ).toEqual([
      "account org 9 requests minute",
      "account org 500000000 spend day",
      "model mock/a 5 tokens hour",
      "provider mock 3 concurrency",
      "global global 7 input-tokens second",
    ]);
  });

  test("a rule for each counts each apart, and of the accounts only the caller's own", () => {
    expect(
      named([
        rule("key", null, { requestsPerMinute: 1 }),
        rule("account", null, { requestsPerMinute: 2 }),
        rule("model", null, { requestsPerMinute: 3 }),
        rule("ip", null, { requestsPerMinute: 4 }),
      ]),
    ).toEqual([
      "key key-1 1 requests minute",
      "account team 2 requests minute",
      "model fast 3 requests minute",
      "model mock/a 3 requests minute",
    ]);
  });

  test("who has no key of ours is one by account, issuer and name", () => {
    const book = limitBook([rule("key", null, { requestsPerMinute: 1 })]);
    for (const auth of ["staff", "tenants"]) {
      const stranger = aPrincipal({ keyId: null, accountId: "team", auth, name: "sub" });
      expect(book.of(scopes.slice(1), stranger)).toMatchObject([{ scope: { kind: "key", id: `team/${auth}/sub` } }]);
    }
  });

  test("addresses have their own rules, which count no admitted call", () => {
    const book = limitBook([rule("ip", null, { requestsPerMinute: 4 })]);
    expect(book.of(scopes, principal)).toEqual([]);
    expect(book.ofAddress("10.0.0.1")).toEqual([
      { scope: { kind: "ip", id: "10.0.0.1" }, measure: "requests", amount: 4, per: "minute" },
    ]);
  });

  test("what is adopted holds at once, beside what the file says", () => {
    const book = limitBook([rule("key", "key-1", { requestsPerMinute: 5 })]);
    book.adopt([rule("account", "team", { requestsPerMinute: 6 }, false)]);
    expect(book.of(scopes, principal)).toMatchObject([{ amount: 5 }, { amount: 6, enforce: false }]);
    book.adopt([]);
    expect(book.of(scopes, principal)).toMatchObject([{ amount: 5 }]);
  });

  test("adopting a crowd reads the scopes alone; a call reads what is on its own scopes, once", () => {
    let read = 0;
    const crowd = Array.from({ length: 1_000 }, (_, at) => ({
      ...rule("key", at < 900 ? "elsewhere" : "key-1", { requestsPerMinute: at + 1 }),
      get limits() {
        read += 1;
        return { requestsPerMinute: at + 1 };
      },
    }));
    const book = limitBook();
    book.adopt(crowd);
    expect(read).toBe(0);
    for (let turn = 0; turn < 3; turn++) expect(book.of(scopes, principal)).toHaveLength(100);
    expect(read).toBe(100);
  });

  test("only the first limiter counts the limits of keys and of the book", () => {
    const book = limitBook([rule("account", "org", { requestsPerMinute: 9 })]);
    const own = { scope: "provider", limits: { concurrency: 2 } } as const;
    const limited = aPrincipal({ accountId: "team", limits: { requestsPerMinute: 4 } });
    const kinds = (isFirst: boolean) => limitsFor(own, isFirst, limited, scopes, book).map(({ scope }) => scope.kind);
    expect(kinds(true)).toEqual(["key", "account", "provider"]);
    expect(kinds(false)).toEqual(["provider"]);
  });
});
