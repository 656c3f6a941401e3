import { expect, test } from "bun:test";
import type { Provider } from "llm-proxy/plugin";
import { namedModels } from "../../core/pipeline/named-models.ts";
import { priceOf } from "./bench.ts";

const provider = (more: Pick<Provider, "models" | "vendor"> = {}): Provider => ({ chat: () => never(), ...more });
async function* never() {}

const named = namedModels({
  aliases: { fast: { targets: [{ target: "local/qwen/3" }, { target: "smart" }] } },
  prices: [{ target: "local/priced" }, { target: "local/*" }],
  providers: new Map([
    ["local", provider()],
    ["eu", provider({ vendor: "acme" })],
    ["own", provider({ models: ["listed"], vendor: "acme" })],
  ]),
  biller: {
    ...priceOf(1, 1),
    models: (vendor) => (vendor === "acme" ? [{ model: "big", contextWindow: null, maxOutputTokens: null }] : []),
  },
});

test("the file names targets of aliases, priced models and lists of providers; the book the models of a vendor", () => {
  for (const [instance, model] of [
    ["local", "qwen/3"],
    ["local", "priced"],
    ["own", "listed"],
  ] as const)
    expect([instance, model, named(instance, model)]).toEqual([instance, model, "file"]);
  expect([named("eu", "big"), named("own", "big")]).toEqual(["book", "book"]);
});

test("nobody names what is only covered by a pattern, belongs to another provider, or is an alias", () => {
  for (const [instance, model] of [
    ["local", "anything"],
    ["local", "*"],
    ["local", "big"],
    ["eu", "listed"],
    ["eu", "qwen/3"],
    ["", "smart"],
  ] as const)
    expect([instance, model, named(instance, model)]).toEqual([instance, model, null]);
});
