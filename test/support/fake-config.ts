import type { ConfigService } from "../../core/api/config-service.ts";

/** A config that reloads whenever it is asked to. */
export const fakeConfig = (): ConfigService => ({
  state: () => ({ file: "/etc/llm-proxy.yaml", loadedMs: 0, generation: 0, lastReload: null, callsBefore: [] }),
  reload: async () => ({ ok: true, generation: 1, needsRestart: [] }),
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
  ],
});
