/** The message of the `ConfigError` or `SetupError` that `work` ends with; empty when it succeeds. */
export const failureOf = (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => "",
    (error: unknown) => {
      if (error instanceof Error && (error.name === "ConfigError" || error.name === "SetupError")) return error.message;
      throw error;
    },
  );
