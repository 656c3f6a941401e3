import { isJsonArray, isJsonObject, type Json, type JsonObject } from "../../chat/json.ts";
import { inCamel } from "./spelling.ts";

/**
 * The arguments of a call that come in pieces, `{jsonPath: "$.a[0].b", stringValue: "…"}`, as Vertex streams them on demand
 * (https://docs.cloud.google.com/vertex-ai/generative-ai/docs/multimodal/function-calling#streaming-fc). A string is
 * appended to what is at its place already. Never changed in place.
 */
export function withPartialArgs(args: JsonObject, pieces: Json | undefined): JsonObject {
  if (!isJsonArray(pieces)) return args;
  return pieces.filter(isJsonObject).reduce<JsonObject>((all, piece) => {
    const { jsonPath, stringValue, numberValue, boolValue } = inCamel(piece);
    const path = typeof jsonPath === "string" ? stepsOf(jsonPath) : [];
    if (path.length === 0 || path.length > maxSteps) return all;
    const value = stringValue ?? numberValue ?? boolValue ?? null;
    const changed = withValue(all, path, value);
    return isJsonObject(changed) ? changed : all;
  }, args);
}

type Step = string | number;
const maxSteps = 64;
/** An index beyond what is there would leave a hole; one far beyond would be a trap. */
const mostBeyond = 1;

/** `$.a['b c'][0]` is a, b c, 0. */
const stepsOf = (path: string): readonly Step[] =>
  [...path.matchAll(/\.([^.[\]]+)|\[(\d+)\]|\[(?:'([^']*)'|"([^"]*)")\]/g)].map(([, name, index, single, double]) =>
    index === undefined ? (name ?? single ?? double ?? "") : Number(index),
  );

function withValue(at: Json | undefined, [step, ...rest]: readonly Step[], value: Json): Json {
  if (step === undefined) return typeof at === "string" && typeof value === "string" ? at + value : value;
  if (typeof step === "number") {
    const list = isJsonArray(at) ? at : [];
    if (step > list.length - 1 + mostBeyond) return list;
    return [...list.slice(0, step), withValue(list[step], rest, value), ...list.slice(step + 1)];
  }
  const object = isJsonObject(at) ? at : {};
  const known = Object.hasOwn(object, step) ? object[step] : undefined;
  return Object.fromEntries([
    ...Object.entries(object).filter(([key]) => key !== step),
    [step, withValue(known, rest, value)],
  ]);
}
