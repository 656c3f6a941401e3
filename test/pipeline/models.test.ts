import { describe, expect, test } from "bun:test";
import { GatewayError, type Biller, type Principal, type Provider } from "llm-proxy/plugin";
import { type Alias, modelTable } from "../../core/pipeline/models.ts";
import { type AccountTerms, openTerms } from "../../core/storage/account-terms.ts";
import { aPrincipal } from "../contract/samples.ts";
import { priceOf } from "./bench.ts";

const provider = (models?: readonly string[], vendor?: string): Provider => ({
  dialects: ["openai-chat"],
  request: () => ({ url: "https://example.com/", headers: {}, body: "" }),
  ...(models && { models }),
  ...(vendor && { vendor }),
});
const providers = new Map<string, Provider>([
  ["openai", provider()],
  ["groq", provider(["llama", "shared"])],
  ["local", provider(["shared", "meta/llama-3", "both"])],
  ["router", provider([])],
]);
const book: Biller = {
  ...priceOf(1, 1),
  models: (vendor) =>
    vendor === "openai"
      ? ["gpt-5", "gpt-5-mini"].map((model) => ({ model, contextWindow: null, maxOutputTokens: null }))
      : [],
};
const alias = (strategy: Alias["strategy"], ...targets: readonly (string | readonly [string, number])[]): Alias => ({
  strategy,
  targets: targets.map((target) =>
    typeof target === "string" ? { target, weight: 1 } : { target: target[0], weight: target[1] },
  ),
});
const aliases: Readonly<Record<string, Alias>> = {
  fast: alias("ordered", "openai/gpt-5-mini", "groq/llama"),
  best: alias("ordered", "fast", "local/meta/llama-3"),
  mixed: alias("weighted", ["openai/gpt-5", 3], ["groq/llama", 1]),
  crossed: alias("ordered", "openai/gpt-5-mini", "odd", "best"),
  odd: alias("weighted", ["fast", 1], ["openai/gpt-5", 1]),
  // Named like a model that an instance claims: the alias comes first.
  llama: alias("ordered", "openai/gpt-5"),
  "groq/fixed": alias("ordered", "openai/gpt-5"),
};
const table = modelTable(aliases, providers, book);

const routed = (name: string, models: Principal["models"] = "all", random = 0): readonly string[] =>
  table.resolve(name, aPrincipal({ models }), () => random).targets.map(({ provider: at, model }) => `${at} ${model}`);
const refusal = (name: string, models: Principal["models"] = "all"): string | null => {
  try {
    routed(name, models);
    return null;
  } catch (error) {
    return error instanceof GatewayError ? `${error.status} ${error.kind}` : String(error);
  }
};

describe("a model name", () => {
  test.each([
    ["an alias, in order", "fast", ["openai gpt-5-mini", "groq llama"]],
    ["an alias of an alias", "best", ["openai gpt-5-mini", "groq llama", "local meta/llama-3"]],
    ["instance and model", "openai/gpt-5", ["openai gpt-5"]],
    ["instance and any model: the provider may know it", "openai/unheard-of", ["openai unheard-of"]],
    ["a model with slashes of its own", "local/meta/llama-3", ["local meta/llama-3"]],
    ["a model with slashes and nothing but its name", "meta/llama-3", ["local meta/llama-3"]],
    ["a model that looks like another instance", "router/openai/gpt-5", ["router openai/gpt-5"]],
    ["a bare model of the price book", "gpt-5-mini", ["openai gpt-5-mini"]],
    ["a bare model of an instance's own list", "both", ["local both"]],
    ["an alias before a bare model", "llama", ["openai gpt-5"]],
    ["an alias before an instance", "groq/fixed", ["openai gpt-5"]],
  ] as const)("%s", (_, name, targets) => expect(routed(name)).toEqual([...targets]));

  test.each([
    "shared",
    "unknown",
    "nobody/gpt-5",
    "openai/",
    "/gpt-5",
    "openai",
    "",
    "GPT-5",
    "fast ",
    "__proto__",
    "constructor",
    "toString",
  ])("%p is no model: 404", (name) => expect(refusal(name)).toBe("404 model-not-found"));

  test("two instances that claim a bare model leave it to neither, whichever comes first", () => {
    expect(refusal("shared")).toBe("404 model-not-found");
    expect(routed("groq/shared")).toEqual(["groq shared"]);
    expect(routed("local/shared")).toEqual(["local shared"]);
  });

  test("an instance that names no models and has no rows in the book claims none", () => {
    const empty = modelTable({}, new Map([["router", provider()]]), null);
    expect(() => empty.resolve("gpt-5", aPrincipal(), () => 0)).toThrow("no such model");
  });

  test("the vendor of a target is what prices go by", () => {
    const renamed = modelTable({}, new Map([["mine", provider(undefined, "openai")]]), book);
    expect(renamed.resolve("gpt-5", aPrincipal(), () => 0).targets[0]).toMatchObject({
      provider: "mine",
      vendor: "openai",
      model: "gpt-5",
    });
  });
});

describe("weights", () => {
  test.each([
    [0, ["openai gpt-5", "groq llama"]],
    [0.7499, ["openai gpt-5", "groq llama"]],
    [0.75, ["groq llama", "openai gpt-5"]],
    [0.9999, ["groq llama", "openai gpt-5"]],
  ] as const)("at chance %d the first is chosen by weight, the others stay to fall back on", (random, targets) => {
    expect(routed("mixed", "all", random)).toEqual([...targets]);
  });

  test("an alias among the targets is expanded in its place", () => {
    expect(routed("odd", "all", 0)).toEqual(["openai gpt-5-mini", "groq llama", "openai gpt-5"]);
    expect(routed("odd", "all", 0.5)).toEqual(["openai gpt-5", "openai gpt-5-mini", "groq llama"]);
  });

  test("a target that several aliases in it lead to comes once, where the first of them has it", () => {
    expect(routed("crossed")).toEqual(["openai gpt-5-mini", "groq llama", "openai gpt-5", "local meta/llama-3"]);
    const reached = table.aliases().find(({ name }) => name === "crossed")?.reaches;
    expect(reached?.map(({ model }) => model)).toEqual(["gpt-5-mini", "llama", "gpt-5", "meta/llama-3"]);
  });

  test("over many draws each comes first as often as its weight says", () => {
    let first = 0;
    for (let draw = 0; draw < 1_000; draw++) if (routed("mixed", "all", draw / 1_000)[0] === "openai gpt-5") first += 1;
    expect(first).toBe(750);
  });
});

describe("what a key may call", () => {
  test.each([
    ["its alias", "fast", ["fast"], ["openai gpt-5-mini", "groq llama"]],
    ["part of an alias: what it may not use is left out", "fast", ["groq/*"], ["groq llama"]],
    ["a model by its full name", "openai/gpt-5", ["openai/gpt-5"], ["openai gpt-5"]],
    ["a model by its bare name, named in full", "openai/gpt-5", ["gpt-5"], ["openai gpt-5"]],
    ["a model by a pattern", "gpt-5-mini", ["openai/*"], ["openai gpt-5-mini"]],
    ["everything by a star", "both", ["*"], ["local both"]],
  ] as const)("%s", (_, name, models, targets) => expect(routed(name, models)).toEqual([...targets]));

  test.each([
    ["another model", "openai/gpt-5", ["openai/gpt-5-mini"]],
    ["a name that only begins alike", "gpt-5-mini", ["gpt-5"]],
    ["an ambiguous bare name gives no right to either", "groq/shared", ["shared"]],
    ["no models at all", "fast", []],
    ["a star in the middle with another end", "openai/gpt-5", ["open*/gpt-4"]],
  ] as const)("not %s: 403", (_, name, models) => expect(refusal(name, models)).toBe("403 forbidden"));

  test("what does not exist is 404, whatever the key may", () =>
    expect(refusal("unknown", ["fast"])).toBe("404 model-not-found"));

  test.each([
    [["a*"], "abc", true],
    [["a*"], "a", true],
    [["a*"], "ba", false],
    [["*a"], "ba", true],
    [["a*c"], "abc", true],
    [["a*c"], "ac", true],
    [["a*c"], "abcd", false],
    [["a*b*c"], "a-b-b-c", true],
    [["a**c"], "abc", true],
    [["*b*"], "abc", true],
    [["*b*"], "ac", false],
    [["a.c"], "abc", false],
    [["*"], "anything/at/all", true],
    [["b", "a"], "a", true],
  ] as const)("%p covers %p: %p", (models, name, covered) => {
    expect(
      refusal(
        `router/${name}`,
        models.map((model) => `router/${model}`),
      ) === null,
    ).toBe(covered);
  });
});

describe("the list", () => {
  test("aliases first, then bare names with their full names, an ambiguous one only in full", () => {
    expect(table.list(aPrincipal()).map(({ id, ownedBy }) => `${id} (${ownedBy})`)).toEqual([
      ...["best", "crossed", "fast", "groq/fixed", "llama", "mixed", "odd"].map((id) => `${id} (llm-proxy)`),
      "both (local)",
      "local/both (local)",
      "gpt-5 (openai)",
      "openai/gpt-5 (openai)",
      "gpt-5-mini (openai)",
      "openai/gpt-5-mini (openai)",
      "groq/llama (groq)",
      "meta/llama-3 (local)",
      "local/meta/llama-3 (local)",
      "groq/shared (groq)",
      "local/shared (local)",
    ]);
  });

  test("shows a key only what it may call, and everything it shows can be called", () => {
    for (const models of [["fast"], ["openai/*"], ["gpt-5"], ["*"], []]) {
      const listed = table.list(aPrincipal({ models })).map(({ id }) => id);
      expect(listed.filter((id) => refusal(id, models) !== null)).toEqual([]);
    }
    expect(table.list(aPrincipal({ models: ["gpt-5"] })).map(({ id }) => id)).toEqual(["gpt-5", "openai/gpt-5"]);
    expect(table.list(aPrincipal({ models: [] }))).toEqual([]);
  });
});

describe("what accounts allow", () => {
  const term = (terms: Partial<AccountTerms>): AccountTerms => ({ ...openTerms, ...terms });
  const within = (name: string, terms: readonly Partial<AccountTerms>[], models: Principal["models"] = "all") =>
    table.resolve(name, aPrincipal({ models }), () => 0, terms.map(term)).targets.map(({ model }) => model);
  const listed = (terms: readonly Partial<AccountTerms>[], models: Principal["models"] = "all") =>
    table.list(aPrincipal({ models }), terms.map(term)).map(({ id }) => id);

  test("drops the targets that one of them does not allow, in order", () => {
    expect(within("best", [{}])).toEqual(["gpt-5-mini", "llama", "meta/llama-3"]);
    expect(within("best", [{ providers: ["groq", "local"] }])).toEqual(["llama", "meta/llama-3"]);
    expect(within("best", [{ providers: ["groq", "local"] }, { models: ["openai/*", "groq/*"] }])).toEqual(["llama"]);
    expect(within("best", [{ models: ["best"] }, { providers: ["loc*"] }])).toEqual(["meta/llama-3"]);
    expect(within("best", [{ models: ["local/*"] }], ["best"])).toEqual(["meta/llama-3"]);
  });

  test("leaves nothing: it is forbidden, and not in the list", () => {
    for (const terms of [
      [{ models: ["gpt-5"] }],
      [{ providers: ["x"] }],
      [{ models: ["fast"] }, { models: ["odd"] }],
    ]) {
      expect(() => within("fast", terms)).toThrow("the account may not use the model");
      expect(listed(terms)).not.toContain("fast");
    }
    expect(() => within("fast", [{ models: ["openai/*"] }], ["groq/*"])).toThrow("the account");
    expect(() => within("fast", [], ["local/*"])).toThrow("this key");
  });

  test("every name of the list can be called, and what can be called of what is claimed is in it", () => {
    const terms = [
      [{ providers: ["groq"] }],
      [{ models: ["gpt-5", "shared"] }],
      [{ models: ["fast"] }, { providers: ["o*"] }],
    ];
    for (const each of terms) {
      const names = listed(each);
      for (const name of listed([])) {
        let callable = true;
        try {
          within(name, each);
        } catch {
          callable = false;
        }
        expect([name, names.includes(name)]).toEqual([name, callable]);
      }
    }
  });
});
