import type { ConfigService } from "../../core/api/config-service.ts";

/** A config that reloads whenever it is asked to. */
export const fakeConfig = (): ConfigService => ({
  state: () => ({ file: "/etc/llm-proxy.yaml", loadedMs: 0, generation: 0, lastReload: null, callsBefore: [] }),
  reload: async () => ({ ok: true, generation: 1, needsRestart: [] }),
  check: async () => ({ ok: true, file: "/etc/llm-proxy.yaml", instances: 1, unchecked: [] }),
  plan: async () => ({ ok: true, lines: [] }),
  drift: () => [],
  plugins: () => [
    {
      kind: "provider",
      name: "mock",
      plugin: "openai-compatible",
      origin: "built-in",
      description: "Any provider with an OpenAI-compatible API.",
      hooks: ["request"],
      options: { baseUrl: "https://llm.example/v1", apiKey: "***" },
      timings: { request: { calls: 12, failures: 1, timeouts: 0, totalMs: 1.5, slowestMs: 0.4 } },
    },
    {
      kind: "rate-limit",
      name: "a-name-as-long-as-a-file-may-give-to-one-of-its-instances-or-so",
      plugin: "@somebody/a-package-with-a-name-that-is-long-too",
      origin: "npm",
      description: null,
      hooks: ["acquire", "preview", "use", "probe", "webhook"],
      options: { "some.path.of.an-option": "a value as long as the list of values shows them ".repeat(3) },
      timings: {
        acquire: { calls: 1_234_567_890, failures: 1_000_000, timeouts: 123, totalMs: 123_456_789, slowestMs: 5_000.1 },
        settle: { calls: 0, failures: 0, timeouts: 0, totalMs: 0, slowestMs: 0 },
      },
    },
  ],
});
