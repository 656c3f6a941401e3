/** What a reload came to. */
export type ReloadOutcome =
  | {
      readonly ok: true;
      /** How many since the start, this one among them. */
      readonly generation: number;
      /** Settings of the file that only a restart brings, by their names. */
      readonly needsRestart: readonly string[];
    }
  /** Nothing has changed. */
  | { readonly ok: false; readonly problems: readonly string[] };

/** The latest one, and who asked for it. */
export type Reload = ReloadOutcome & { readonly atMs: number; readonly by: string };

/** The config that is in use, as pages and the API see it. */
export interface ConfigService {
  state(): ConfigState;
  reload(by: string): Promise<ReloadOutcome>;
  /** Whether the file as it is now is right, as the command `check` finds it. */
  check(): Promise<CheckOutcome>;
  /** What a reload would change now. */
  plan(): Promise<PlanOutcome>;
  /** What was set by hand beside the file, at most 200 lines. */
  drift(): readonly DriftLine[];
  /** What is loaded, in the order in which it was set up. */
  plugins(): readonly PluginLine[];
}

/** One instance that is in use. */
export interface PluginLine {
  readonly kind: string;
  readonly name: string;
  readonly plugin: string;
  readonly origin: "built-in" | "npm" | "file";
  readonly description: string | null;
  /** That it fills. */
  readonly hooks: readonly string[];
  /** Defaults among them, by their paths. Secrets are `***`. */
  readonly options: Readonly<Record<string, string>>;
  /** Of those hooks that are counted, since the process began. */
  readonly timings: Readonly<Record<string, HookTiming>>;
}
export interface HookTiming {
  readonly calls: number;
  readonly failures: number;
  readonly timeouts: number;
  /** `null`: it is not timed. */
  readonly totalMs: number | null;
  readonly slowestMs: number | null;
}

export type CheckOutcome =
  | {
      readonly ok: true;
      readonly file: string | null;
      readonly instances: number;
      /** What the file names that only the database knows, so that a reload may refuse it all the same. */
      readonly unchecked: readonly string[];
    }
  | { readonly ok: false; readonly problems: readonly string[] };
export type PlanOutcome =
  | { readonly ok: true; readonly lines: readonly PlanLine[] }
  | { readonly ok: false; readonly problems: readonly string[] };
export interface PlanLine {
  readonly change: "added" | "removed" | "changed";
  /** As `provider.openai.baseUrl`. */
  readonly path: string;
  /** Secrets are `***`, on both sides also where they differ. */
  readonly before: string | null;
  readonly after: string | null;
  readonly needsRestart: boolean;
}
export interface DriftLine {
  /** What the file may say of it. */
  readonly path: string;
  readonly set: string;
  /** Whether the file says something of the same. */
  readonly inFile: boolean;
  /** `strictest`: both count, and the stricter one binds. */
  readonly wins: "database" | "strictest";
}
export interface ConfigState {
  /** Absolute path; `null`: the built-in default. */
  readonly file: string | null;
  readonly loadedMs: number;
  readonly generation: number;
  /** `null`: none was tried since the start. */
  readonly lastReload: Reload | null;
  /** Calls that still run with each config of before. */
  readonly callsBefore: readonly number[];
}
