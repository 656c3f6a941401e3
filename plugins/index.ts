import type { Kind } from "llm-proxy/plugin";
import { presets } from "./provider/presets.ts";

const presetRow = () => import("./provider/presets.ts");

/** The one list of built-ins: kind → name → module. */
export const builtins: Readonly<Record<Kind, Readonly<Record<string, () => Promise<unknown>>>>> = {
  storage: { sqlite: () => import("./storage/sqlite.ts") },
  provider: {
    echo: () => import("./provider/echo.ts"),
    "openai-compatible": () => import("./provider/openai-compatible.ts"),
    ...Object.fromEntries(Object.keys(presets).map((name) => [name, presetRow])),
  },
  auth: { "api-key": () => import("./auth/api-key.ts"), jwt: () => import("./auth/jwt.ts") },
  "rate-limit": { "token-bucket": () => import("./rate-limit/token-bucket.ts") },
  billing: { ledger: () => import("./billing/ledger.ts") },
  guardrail: {},
  cache: {},
  observer: {
    log: () => import("./observer/log.ts"),
    prometheus: () => import("./observer/prometheus.ts"),
    slack: () => import("./observer/slack.ts"),
    smtp: () => import("./observer/smtp.ts"),
    webhook: () => import("./observer/webhook.ts"),
  },
};
