import { configPath, type Flags } from "../config/settings.ts";
import type { Builtins } from "../plugin/find.ts";

/** What a command works with; `main` makes it of the command line. */
export interface CommandInput {
  readonly flags: Flags & {
    readonly config?: string;
    readonly json?: boolean;
    readonly new?: boolean;
    readonly from?: string;
    readonly to?: string;
    readonly model?: string;
    readonly "dry-run"?: boolean;
    readonly compact?: boolean;
    readonly repair?: boolean;
    readonly reason?: string;
    readonly author?: string;
  };
  /** Words after the command. */
  readonly words: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly builtins: Builtins;
  readonly version: string;
  readonly print: (line: string) => void;
  readonly printError: (line: string) => void;
}
/** 0: fine, 1: found something wrong, 2: called wrongly. */
export type ExitCode = 0 | 1 | 2;
export type Command = (input: CommandInput) => Promise<ExitCode>;

export const pathOfConfig = ({ flags, env }: CommandInput): string | null =>
  configPath({ flag: flags.config, env, directory: process.cwd() });
