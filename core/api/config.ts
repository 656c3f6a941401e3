import { GatewayError } from "../chat/error.ts";
import type { ConfigService, ConfigState } from "./config-service.ts";
import type { ApiRoute } from "./route.ts";

export const configRoutes = (config: ConfigService): readonly ApiRoute[] => [
  {
    method: "GET",
    path: "/api/config",
    permission: "config.read",
    summary:
      "The config that is in use: its file, since when, and what the latest reload came to. Calls that began before a reload go on with the config of then; `callsBefore` counts them.",
    answer: async () => shown(config.state()),
  },
  {
    method: "GET",
    path: "/api/config/drift",
    permission: "config.read",
    summary:
      "What was set by hand beside the file (stored keys of providers, prices, charges, limits), whether the file says something of the same, and which of the two wins.",
    answer: async () => ({ data: config.drift(), next: null }),
  },
  {
    method: "POST",
    path: "/api/config/check",
    permission: "config.write",
    summary:
      "Read the config file, and tell whether it is right, as `check --json`: `ok` with the number of its plugin instances, or with all `problems`. `unchecked` has what only the database knows, such as accounts: a reload may refuse that, and what plugins find when they are set up. Nothing is changed.",
    answer: () => config.check(),
  },
  {
    method: "POST",
    path: "/api/config/plan",
    permission: "config.write",
    summary: "Read the config file, and tell what a reload would change, without secrets. Nothing is changed.",
    async answer() {
      const outcome = await config.plan();
      if (outcome.ok) return { data: outcome.lines, next: null };
      throw invalid(outcome.problems);
    },
  },
  {
    method: "POST",
    path: "/api/config/reload",
    permission: "config.write",
    summary:
      "Read the config file again, and put it into use at once if all of it is right; else nothing changes, and the answer says what is wrong. `needsRestart` names what only a restart brings.",
    async answer({ actor }) {
      const outcome = await config.reload(actor.name);
      if (outcome.ok) return outcome;
      throw invalid(outcome.problems);
    },
  },
];

const invalid = (problems: readonly string[]): GatewayError =>
  new GatewayError("invalid-request", problems.join("\n"), { code: "config_invalid" });

const shown = ({ loadedMs, lastReload, ...state }: ConfigState) => ({
  ...state,
  loadedAt: loadedMs,
  lastReload: lastReload && { ...lastReload, atMs: undefined, at: lastReload.atMs },
});
