import type { Capability } from "../chat/capability.ts";
import type { Parameters } from "../chat/parameters.ts";
import type { Limits, LimitScope, Operation, PriceRow } from "../plugin/plugin.ts";
import type { ServerConfig } from "./schema.ts";
import type { Path, Position, Problem } from "./problem.ts";

/** A config with every default in place. */
export interface Config {
  readonly server: ServerConfig;
  readonly storage: Instances;
  readonly provider: Instances;
  readonly auth: Instances;
  readonly "rate-limit": Instances;
  readonly billing: Instances;
  readonly guardrail: Instances;
  readonly cache: Instances;
  readonly observer: Instances;
  readonly models: Readonly<Record<string, Alias>>;
  /** In file order. */
  readonly prices: readonly PriceRow[];
  /** In file order. */
  readonly limits: readonly FileLimit[];
  readonly keys: readonly DeclaredKey[];
}

/** A key that the file makes. */
export interface DeclaredKey {
  readonly name: string;
  readonly models: readonly string[] | "all";
  readonly operations: readonly Operation[] | "all";
  readonly routes: readonly string[] | "all";
  readonly cidrs: readonly string[];
  readonly metadata: Readonly<Record<string, string>>;
  readonly limits: Limits;
  /** `null`: never. */
  readonly expiresMs: number | null;
  /** `key`: the key itself. `sha256`: of one that is not told; hex. */
  readonly secret: { readonly key: string } | { readonly sha256: string };
  /** Id or name. */
  readonly account: string;
}

export interface FileLimit {
  /** `id` `null`: each of them for itself. */
  readonly scope: { readonly kind: LimitScope["kind"]; readonly id: string | null };
  readonly limits: Limits;
  readonly enforce: boolean;
}

/** Instance name → its options and `use`, in file order. */
export type Instances = Readonly<Record<string, InstanceOptions>>;
export interface InstanceOptions {
  readonly use?: string;
  readonly [option: string]: unknown;
}

export interface Alias {
  readonly strategy: "ordered" | "weighted" | "least-busy" | "lowest-latency" | "cheapest" | "sticky";
  readonly targets: readonly AliasTarget[];
  readonly shadow?: AliasShadow;
}
export interface AliasShadow {
  /** `instance/model`. */
  readonly target: string;
  /** From 0 to 100. */
  readonly percent: number;
  readonly maxInFlight: number;
  /** Id or name; `null`: nobody pays. */
  readonly account: string | null;
  readonly parameters?: Parameters;
}
export interface AliasTarget {
  /** `instance/model` or another alias. */
  readonly target: string;
  /** ≥ 0, 1 unless the file says so. */
  readonly weight: number;
  readonly when?: AliasConditions;
  /** `percent` from 0 to 100. */
  readonly canary?: { readonly percent: number; readonly by: "caller" | "conversation" };
  readonly parameters?: Parameters;
}
/** Headers by their names in lower case; of several texts one must fit. */
export interface AliasConditions {
  readonly account?: Readonly<Record<string, readonly string[]>>;
  readonly headers?: Readonly<Record<string, readonly string[]>>;
  readonly operations?: readonly Operation[];
  readonly content?: { readonly with: readonly Capability[]; readonly without: readonly Capability[] };
  readonly tokens?: { readonly above?: number; readonly upTo?: number };
}

export interface LoadedConfig {
  readonly config: Config;
  /** Absolute path of the file; `null` for the built-in default. */
  readonly file: string | null;
  /** What relative paths of the file are relative to: its folder. */
  readonly directory: string;
  readonly source: ConfigSource;
}

/** The file behind a config, for messages about it. */
export interface ConfigSource {
  /** A problem at `path`, or at the nearest place above it that the file names. */
  problem(path: Path, message: string, at?: "key" | "value"): Problem;
  locate(path: Path, at?: "key" | "value"): Position | null;
  /** The value at a JSON pointer came, in part or whole, from the environment or a secret file. */
  wasFilled(at: string): boolean;
  /** `text` with every value that came from the environment or a secret file as `***`. */
  mask(text: string): string;
}
