import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { Value } from "@sinclair/typebox/value";
import { faultsOf } from "./check.ts";
import type { Config } from "./config.ts";
import { ConfigError, type Problem } from "./problem.ts";
import { ServerSchema } from "./schema.ts";

type Environment = Readonly<Record<string, string | undefined>>;

/** What the command line may set, as text, by the names of its flags. */
export interface Flags {
  readonly host?: string;
  readonly port?: string;
  readonly data?: string;
  readonly "log-level"?: string;
  readonly "public-url"?: string;
}

/** What the process runs with, each from the first of: flag, environment, file, default. */
export type Settings = Readonly<Omit<Config["server"], "publicUrl">> & {
  /** Without a slash at the end. Absent: where the process listens, `publicUrlOf`. */
  readonly publicUrl?: string;
  /** Absolute path of the folder for the database and the master secret. */
  readonly dataDir: string;
};

const overrides = [
  { property: "host", flag: "host", variable: "HOST" },
  { property: "port", flag: "port", variable: "PORT" },
  { property: "logLevel", flag: "log-level", variable: "LOG_LEVEL" },
  { property: "publicUrl", flag: "public-url", variable: null },
  { property: "transport", flag: null, variable: "LLM_PROXY_TRANSPORT" },
] as const;

/** Throws `ConfigError` that names each flag or variable with a bad value. */
export function settingsFrom({
  flags,
  env,
  config,
}: {
  readonly flags: Flags;
  readonly env: Environment;
  readonly config: Config;
}): Settings {
  const server: Record<string, unknown> = { ...config.server };
  const problems: Problem[] = [];
  for (const { property, flag, variable } of overrides) {
    const flagged = flag === null ? undefined : flags[flag];
    const text = flagged ?? (variable === null ? undefined : setIn(env, variable));
    if (text === undefined) continue;
    server[property] = property === "port" && /^\d+$/.test(text) ? Number(text) : text;
    const file = flagged === undefined ? `environment variable ${variable}` : `--${flag}`;
    const faults = faultsOf(ServerSchema.properties[property], server[property]);
    if (property === "publicUrl" && faults.length === 0 && !URL.canParse(text))
      problems.push({ file, position: null, path: "", message: "expected a URL with a valid host and port" });
    problems.push(...faults.map(({ message }) => ({ file, position: null, path: "", message })));
  }
  if (problems.length > 0) throw new ConfigError(problems);

  Value.Assert(ServerSchema, server);
  const { publicUrl, ...rest } = server;
  return {
    ...rest,
    ...(publicUrl !== undefined && { publicUrl: publicUrl.replace(/\/+$/, "") }),
    dataDir: resolve(flags.data ?? setIn(env, "LLM_PROXY_DATA") ?? "./data"),
  };
}

/** Where browsers find the process. Another `port` in the file changes nothing before a restart. */
export const publicUrlOf = ({ publicUrl }: Pick<Settings, "publicUrl">, listeningPort: number): string =>
  publicUrl ?? `http://localhost:${listeningPort}`;

/** The config file to read: flag, `LLM_PROXY_CONFIG`, `llm-proxy.yaml` here; `null` when there is none of them. */
export function configPath(
  {
    flag,
    env,
    directory,
  }: { readonly flag: string | undefined; readonly env: Environment; readonly directory: string },
  exists: (path: string) => boolean = existsSync,
): string | null {
  const named = flag ?? setIn(env, "LLM_PROXY_CONFIG");
  if (named !== undefined) return named;
  return exists(join(directory, "llm-proxy.yaml")) ? "llm-proxy.yaml" : null;
}

/** An empty variable counts as unset: that is how compose files and unit files switch one off. */
const setIn = (env: Environment, variable: string): string | undefined =>
  env[variable] === "" ? undefined : env[variable];
