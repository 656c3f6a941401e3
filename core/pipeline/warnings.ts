/** They stand in a header and in the row of the call, and repeat names that the client made up, as many and as long as it likes. */
const maxWarnings = 32;
const maxWarningLength = 256;

/** Adds to `warnings` those of `more` that are new, as far as there is room. */
export function addWarnings(warnings: string[], more: readonly string[]): void {
  for (const [at, warning] of more.entries()) {
    if (warnings.length >= maxWarnings) {
      warnings.push(`${more.length - at} more`);
      return;
    }
    const short = warning.length > maxWarningLength ? `${warning.slice(0, maxWarningLength)}…` : warning;
    if (!warnings.includes(short)) warnings.push(short);
  }
}
