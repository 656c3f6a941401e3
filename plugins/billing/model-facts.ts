import type { Capability } from "llm-proxy/plugin";

/**
 * The most output tokens a model can be asked for, by vendor and name; the price data has none. Only what the vendor's
 * own documentation says; all others stay unknown. A maximum that depends on a beta header is left out: too low is
 * worse here than unknown.
 */
const maxima: Readonly<Record<string, Readonly<Record<string, number>>>> = {
  openai: {
    "gpt-3.5-turbo": 4_096,
    "gpt-4": 8_192,
    "gpt-4-turbo": 4_096,
    "gpt-4o": 16_384,
    "gpt-4o-2024-05-13": 4_096,
    "gpt-4o-mini": 16_384,
    "gpt-4.1": 32_768,
    "gpt-4.1-mini": 32_768,
    "gpt-4.1-nano": 32_768,
    "gpt-4.5-preview": 16_384,
    "chatgpt-4o-latest": 16_384,
    o1: 100_000,
    "o1-preview": 32_768,
    "o1-mini": 65_536,
    "o1-pro": 100_000,
    o3: 100_000,
    "o3-mini": 100_000,
    "o3-pro": 100_000,
    "o4-mini": 100_000,
    "gpt-5": 128_000,
    "gpt-5-chat": 16_384,
    "gpt-5-chat-latest": 16_384,
    "gpt-5-mini": 128_000,
    "gpt-5-nano": 128_000,
    "gpt-5-pro": 272_000,
    "gpt-5.1": 128_000,
    "gpt-5.1-chat": 16_384,
    "gpt-5.1-chat-latest": 16_384,
    "gpt-5-1-chat": 16_384,
    "gpt-5-1-chat-latest": 16_384,
    "gpt-5.2-pro": 128_000,
    "gpt-5.4": 128_000,
    "gpt-5.6-sol": 128_000,
    "gpt-6-sol": 128_000,
  },
  anthropic: {
    "claude-3-haiku": 4_096,
    "claude-3-sonnet": 4_096,
    "claude-3-opus-latest": 4_096,
    "claude-3-5-haiku-latest": 8_192,
    "claude-opus-4-0": 32_000,
    "claude-opus-4-1": 32_000,
    "claude-sonnet-4-0": 64_000,
    "claude-sonnet-4-5": 64_000,
    "claude-haiku-4-5": 64_000,
    "claude-opus-4-5": 64_000,
    "claude-opus-4-6": 128_000,
    "claude-opus-4-7": 128_000,
    "claude-opus-4-8": 128_000,
    "claude-sonnet-4-6": 128_000,
    "claude-sonnet-5": 128_000,
    "claude-opus-5": 128_000,
    "claude-opus-5-5": 128_000,
    "claude-fable-5-1": 128_000,
  },
  google: {
    "gemini-1.5-flash": 8_192,
    "gemini-1.5-pro": 8_192,
    "gemini-2.0-flash-lite": 8_192,
    "gemini-2.5-pro": 65_536,
    "gemini-2.5-flash": 65_536,
    "gemini-2.5-flash-lite": 65_536,
    "gemini-3-pro-preview": 65_536,
    "gemini-3-flash-preview": 65_536,
    "gemini-3.1-pro-preview": 65_536,
    "gemini-3.5-flash": 65_536,
  },
};
const byVendor = new Map(Object.entries(maxima).map(([vendor, models]) => [vendor, new Map(Object.entries(models))]));

/** Tokens. A name of its own in the table goes before the entry of the price book that also covers it. */
export function maxOutputTokensOf(vendor: string, model: string, entryId: string): number | null {
  const models = byVendor.get(vendor);
  return models?.get(model.toLowerCase()) ?? models?.get(entryId) ?? null;
}

/**
 * What models cannot take, by vendor and name, where the vendor's own page of the model says so and the model keeps its
 * name. All others are not known; what a request can be translated without is left out.
 */
const lacking: Readonly<Record<string, Readonly<Record<string, readonly Capability[]>>>> = {
  openai: {
    "gpt-3.5-turbo": ["images"],
    "gpt-4": ["images"],
    "o1-preview": ["images", "tools"],
    "o1-mini": ["images", "tools"],
    "o3-mini": ["images"],
  },
};
const lackingByVendor = new Map(
  Object.entries(lacking).map(([vendor, models]) => [vendor, new Map(Object.entries(models))]),
);

export function lackedBy(vendor: string, model: string, entryId: string): readonly Capability[] {
  const models = lackingByVendor.get(vendor);
  return models?.get(model.toLowerCase()) ?? models?.get(entryId) ?? [];
}

/** Every vendor and name of the table. */
export const knownMaxima: readonly { readonly vendor: string; readonly model: string }[] = Object.entries(
  maxima,
).flatMap(([vendor, models]) => Object.keys(models).map((model) => ({ vendor, model })));
