import { expect, test } from "bun:test";
import { unitsUntold } from "../../core/pipeline/told-usage.ts";
import type { Provider } from "../../core/plugin/plugin.ts";
import { atMs, makeLedger } from "../plugins/billing/ledger-fixture.ts";

const ledger = makeLedger([{ target: "lab/*", input: "1", output: "2", image: "0.04", most: { image: 4 } }]);
const model: Provider = {
  chat: () => {
    throw new Error("no calls in this test");
  },
};
const upstream: Provider = {
  dialects: ["openai-chat"],
  request: () => ({ url: "https://example.com/", headers: {}, body: "" }),
};
const target = (slot: Provider) => ({ provider: "lab", vendor: "lab", model: "m", slot });

test("nobody told the units: the most of a plugin's call, none of an upstream that has no tools for them", () => {
  const billing = { name: "ledger", slot: ledger };
  expect(unitsUntold({ envelope: null, startedMs: atMs }, target(model), billing, atMs)).toEqual({ images: 4 });
  expect(unitsUntold({ envelope: null, startedMs: atMs }, target(upstream), billing, atMs)).toEqual({});
  expect(unitsUntold({ envelope: null, startedMs: atMs }, target(model), null, atMs)).toEqual({});
});

test("of a price that was taken back while the call ran: as many as it said", () => {
  const biller = makeLedger();
  const entry = { kind: "price" as const, target: "lab/m" };
  const prices = { input: "1", output: "2", image: "0.04", most: { image: 4 } };
  biller.adopt?.([
    { ...entry, id: "set", effectiveMs: atMs, prices },
    { ...entry, id: "taken back", effectiveMs: atMs + 5, prices: null },
  ]);
  const billing = { name: "ledger", slot: biller };
  const units = (startedMs: number) => unitsUntold({ envelope: null, startedMs }, target(model), billing, atMs + 9);
  expect([units(atMs), units(atMs + 5)]).toEqual([{ images: 4 }, {}]);
});

test("a billing plugin that fails when it is asked for them keeps no call from its end", () => {
  const facts = () => {
    throw new Error("no facts");
  };
  const billing = { name: "ledger", slot: { ...ledger, facts } };
  expect(unitsUntold({ envelope: null, startedMs: atMs }, target(model), billing, atMs)).toEqual({});
});
