import type { ConfigFile } from "./schema.ts";

/** Types a config that is written in TypeScript: `export default defineConfig({ … })`. */
export const defineConfig = (config: ConfigFile): ConfigFile => config;
