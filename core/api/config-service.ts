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
