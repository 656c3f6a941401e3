import type { ConfigService } from "../../core/api/config-service.ts";

/** A config that reloads whenever it is asked to. */
export const fakeConfig = (): ConfigService => ({
  state: () => ({ file: "/etc/llm-proxy.yaml", loadedMs: 0, generation: 0, lastReload: null, callsBefore: [] }),
  reload: async () => ({ ok: true, generation: 1, needsRestart: [] }),
  plan: async () => ({ ok: true, lines: [] }),
  drift: () => [],
});
