import { GatewayError } from "../chat/error.ts";

/** What is wrong with what was typed, for the form to say; anything that is not the visitor's mistake goes on. */
export function refusalOf(error: unknown): string {
  if (error instanceof GatewayError && error.status < 500) return error.message;
  throw error;
}

/** Those of the fields that hold something. */
export const filled = (form: URLSearchParams, names: readonly string[]): Readonly<Record<string, string>> =>
  Object.fromEntries(
    names.flatMap((name) => {
      const value = (form.get(name) ?? "").trim();
      return value === "" ? [] : [[name, value]];
    }),
  );
