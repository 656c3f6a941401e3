/** Bun's own variables, as everything that starts the product sets them: Bun reads them only at the start of a process. */
export const runtimeVariables = {
  BUN_CONFIG_MAX_HTTP_REQUESTS: "65535",
  BUN_GC_TIMER_INTERVAL: "10000",
  BUN_JSC_forceRAMSize: "268435456",
} as const;
