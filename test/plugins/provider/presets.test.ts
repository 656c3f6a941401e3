import { describe, expect, test } from "bun:test";
import { findProvider } from "@pydantic/genai-prices";
import plugins, { presets } from "../../../plugins/provider/presets.ts";
import { fakeContext, setUp } from "../../contract/context.ts";
import { testProvider } from "../../contract/provider.ts";
import { anAttempt } from "../../contract/samples.ts";

/** Vendors that the price data does not have; their models are priced by `prices:` of the file. */
const withoutPrices = [
  "alibaba",
  "deepinfra",
  "github-models",
  "huggingface",
  "hyperbolic",
  "llama-cpp",
  "lm-studio",
  "nvidia",
  "ollama",
  "sambanova",
  "scaleway",
  "siliconflow",
  "vercel-ai-gateway",
  "vllm",
];

for (const plugin of plugins)
  describe(plugin.name, () => {
    testProvider((context) => setUp(plugin, { apiKey: "secret-of-the-vendor" }, context), {
      form: "upstream",
      secrets: ["secret-of-the-vendor"],
    });
  });

describe("presets", () => {
  test("each has a plugin of its name", () => {
    expect(plugins.map(({ name }) => name)).toEqual(Object.keys(presets));
    for (const name of Object.keys(presets)) expect(name).toMatch(/^[a-z0-9]+(-[a-z0-9]+)*$/);
  });

  test("vendors are the ids of the price data, to the letter", () => {
    const unknown: readonly string[] = Object.values(presets).flatMap(({ vendor }) =>
      findProvider({ providerId: vendor })?.id === vendor ? [] : [vendor],
    );
    expect(unknown.toSorted()).toEqual(withoutPrices);
  });

  test("keys leave this machine over TLS only, and only a server on this machine may do without one", () => {
    for (const preset of Object.values(presets)) {
      const local = new URL(preset.baseUrl).hostname === "127.0.0.1";
      expect("keyOptional" in preset).toBe(local);
      expect(preset.baseUrl.startsWith(local ? "http://" : "https://")).toBe(true);
    }
  });

  test.each(plugins.map((plugin) => [plugin.name, plugin] as const))(
    "%s: without a key it starts only where none is needed",
    async (name, plugin) => {
      const local = ["ollama", "lm-studio", "vllm", "llama-cpp"].includes(name);
      for (const options of [{}, { apiKey: "" }]) {
        const started = await Promise.resolve(setUp(plugin, options, fakeContext())).then(
          () => true,
          () => false,
        );
        expect(started).toBe(local);
      }
    },
  );

  test("the flags of a row reach core, and options replace its address", async () => {
    const mistral = plugins.find(({ name }) => name === "mistral");
    if (!mistral) throw new Error("no mistral");
    const provider = await setUp(
      mistral,
      { apiKey: "k", baseUrl: "http://127.0.0.1:9/v1", models: ["mistral-large"], headers: { "x-a": "b" } },
      fakeContext(),
    );
    expect(provider).toMatchObject({
      vendor: "mistral",
      refusesStreamOptions: true,
      maxOutputTokensField: "max_tokens",
      refuses: expect.arrayContaining(["user"]),
      developerRole: false,
      reasoningField: "none",
      models: ["mistral-large"],
    });
    if (!("request" in provider)) throw new Error("expected the upstream form");
    expect(await provider.request(anAttempt())).toMatchObject({
      url: "http://127.0.0.1:9/v1/chat/completions",
      headers: { "x-a": "b" },
    });
  });
});
