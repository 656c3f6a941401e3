import type { TSchema } from "@sinclair/typebox";
import { Value, type ValueError, ValueErrorType, ValuePointer } from "@sinclair/typebox/value";
import { didYouMean } from "./nearest.ts";
import { lowered, steps } from "./problem.ts";

/** One place where a value does not fit its schema. */
export interface Fault {
  /** JSON pointer. */
  readonly at: string;
  /** The key is the fault, not its value. */
  readonly unknownKey: boolean;
  /** Never repeats the value: it may be a secret. */
  readonly message: string;
}

/** All faults, at most one a place; `what` a key is called. `expected` and `expectedName` (of keys) in a schema replace the words of a pattern. */
export function faultsOf(schema: TSchema, value: unknown, what = "key"): Fault[] {
  // Most fit, and to look for all faults of one that does takes many times as long.
  if (Value.Check(schema, value)) return [];
  const faults = new Map<string, Fault>();
  for (const error of Value.Errors(schema, value)) {
    for (const fault of faultsIn(error, what)) if (!faults.has(fault.at)) faults.set(fault.at, fault);
  }
  return [...faults.values()];
}

/**
 * Turns text that came from the environment into the number or boolean its schema wants; other text stays text, and
 * stays an error. Changes `value` in place.
 */
export function convertFilled(schema: TSchema, value: object, wasFilled: (at: string) => boolean): void {
  if (Value.Check(schema, value)) return;
  for (const error of Array.from(Value.Errors(schema, value))) {
    if (typeof error.value !== "string" || !wasFilled(error.path)) continue;
    const converted = convert(error);
    if (converted !== null) ValuePointer.Set(value, error.path, converted);
  }
}

function convert({ type, value }: ValueError): number | boolean | null {
  const text = String(value);
  if (type === ValueErrorType.Boolean) return text === "true" ? true : text === "false" ? false : null;
  if (type !== ValueErrorType.Number && type !== ValueErrorType.Integer) return null;
  return /^[+-]?\d+(\.\d+)?([eE][+-]?\d+)?$/.test(text) ? Number(text) : null;
}

function faultsIn(error: ValueError, what: string): Fault[] {
  const fault = { at: error.path, unknownKey: false };
  switch (error.type) {
    case ValueErrorType.ObjectAdditionalProperties: {
      const name = steps(error.path).at(-1) ?? "";
      if (typeof error.schema.expectedName === "string")
        return [{ ...fault, unknownKey: true, message: `expected a name of ${error.schema.expectedName}` }];
      const known: object = error.schema.properties ?? {};
      return [{ ...fault, unknownKey: true, message: `unknown ${what}${didYouMean(name, Object.keys(known))}` }];
    }
    case ValueErrorType.ObjectRequiredProperty:
      return [{ ...fault, message: "missing, and it has no default" }];
    case ValueErrorType.Union:
      return unionFaults(error, what);
    case ValueErrorType.StringMinLength:
      return [
        {
          ...fault,
          message: error.schema.minLength === 1 ? "expected text, not an empty string" : lowered(error.message),
        },
      ];
    case ValueErrorType.ObjectMinProperties:
    case ValueErrorType.ArrayMinItems:
      return [{ ...fault, message: "expected at least one entry" }];
    default:
      return [
        {
          ...fault,
          message:
            typeof error.schema.expected === "string" ? `expected ${error.schema.expected}` : lowered(error.message),
        },
      ];
  }
}

/** The faults of the variant that was probably meant: the one of the value's own type. */
function unionFaults(error: ValueError, what: string): Fault[] {
  const variants = error.errors.map((errors) => [...errors]);
  const meant = variants.find((errors) =>
    errors.every((inner) => inner.path !== error.path || !typeMismatch.has(inner.type)),
  );
  if (meant !== undefined) return meant.flatMap((inner) => faultsIn(inner, what));
  if (typeof error.schema.expected === "string")
    return [{ at: error.path, unknownKey: false, message: `expected ${error.schema.expected}` }];
  const schemas: readonly TSchema[] = error.schema.anyOf ?? [];
  const literals = schemas.flatMap((schema) => (typeof schema.const === "string" ? [schema.const] : []));
  const hint = typeof error.value === "string" ? didYouMean(error.value, literals) : "";
  return [{ at: error.path, unknownKey: false, message: `expected ${listed(schemas.map(nameOf))}${hint}` }];
}

const typeMismatch: ReadonlySet<ValueErrorType> = new Set([
  ValueErrorType.String,
  ValueErrorType.Number,
  ValueErrorType.Integer,
  ValueErrorType.Boolean,
  ValueErrorType.Null,
  ValueErrorType.Object,
  ValueErrorType.Array,
  ValueErrorType.Literal,
]);

const nameOf = (schema: TSchema): string =>
  "const" in schema ? JSON.stringify(schema.const) : String(schema.type ?? "another value");

const listed = (names: readonly string[]): string =>
  names.length < 2 ? names.join("") : `${names.slice(0, -1).join(", ")} or ${names.at(-1)}`;
