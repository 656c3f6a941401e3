import { maskSecrets, printable } from "../chat/mask.ts";
import { ConfigError, describeProblem } from "../config/problem.ts";

type Print = (line: string) => void;

/** Why a command failed, for the operator: what to mend, without a stack and without a secret. */
export function explainFailure(error: unknown, json: boolean, print: Print, printError: Print): void {
  const lines = error instanceof ConfigError ? error.problems.map(describeProblem) : [reasonOf(error)];
  if (json) {
    print(JSON.stringify({ ok: false, problems: lines }));
    return;
  }
  for (const line of lines) printError(line);
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return "the command failed";
  return printable(maskSecrets(error.message), 2_000);
}
