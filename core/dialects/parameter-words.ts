import { GatewayError } from "../chat/error.ts";
import { isJsonObject, type Json, type JsonObject } from "../chat/json.ts";
import { type Parameters, withParameters } from "../chat/parameters.ts";
import { bareRequest, type ChatRequest } from "../chat/request.ts";
import type { Dialect } from "./dialect.ts";
import type { ParameterPath } from "./parameters.ts";

/** Whose settings are said, and to whom. */
export interface Asking {
  readonly dialect: Dialect;
  /** The target's. */
  readonly model: string;
  /** The client's own on output tokens. */
  readonly cap: number | null;
  /** What the client asks for. Throws when its bytes are none that we can read. */
  readonly request: () => ChatRequest;
}

/** What the settings of an operator change in a request. */
interface Words {
  readonly fields: JsonObject;
  /** Settings of the client's that are not taken together with those. */
  readonly gone: readonly ParameterPath[];
  readonly warnings: readonly string[];
}

/**
 * As the protocol's own encoder says them to this model, which does not take each of them with each request: what the
 * client's request with them has and the one without has not.
 */
export function wordsFor(parameters: Parameters, asking: Asking): Words {
  if (asking.dialect.parameters.independent) return difference(parameters, bareRequest, asking);
  try {
    // What it has of its own protocol would be taken as it is, as that of somebody who knows the model.
    return difference(parameters, { ...asking.request(), extensions: {} }, asking);
  } catch (error) {
    if (!(error instanceof GatewayError)) throw error;
    // The provider may read it all the same; whether it does is its word.
    return difference(parameters, bareRequest, asking);
  }
}

function difference({ drop, defaults }: Parameters, request: ChatRequest, { dialect, model, cap }: Asking): Words {
  const plain = withParameters({ ...request, maxOutputTokens: cap }, { drop, defaults: {} }).request;
  const without = dialect.encodeRequest(plain, model);
  const having = dialect.encodeRequest(withParameters(plain, { drop: [], defaults }).request, model);
  const places = Object.values(dialect.parameters.paths).flat();
  const fields = new Set(places.map(([field]) => field));
  return {
    fields: added(without.body, having.body, fields),
    gone: places.filter((place) => isAt(without.body, place) && !isAt(having.body, place)),
    warnings: having.warnings.filter((warning) => !without.warnings.includes(warning)),
  };
}

function isAt(body: JsonObject, [field, inner]: ParameterPath): boolean {
  const value = body[field];
  return inner === undefined ? value !== undefined : isJsonObject(value) && value[inner] !== undefined;
}

/** An encoder may say more, in fields that are no setting. */
export const onlyAt = (places: readonly ParameterPath[], fields: JsonObject): JsonObject =>
  Object.fromEntries(
    Object.entries(fields).flatMap(([key, value]): readonly [string, Json | undefined][] => {
      const inner = places.flatMap(([field, name]) => (field === key ? [name] : []));
      if (inner.length === 0 || inner.includes(undefined) || !isJsonObject(value))
        return inner.length > 0 ? [[key, value]] : [];
      return [[key, Object.fromEntries(Object.entries(value).filter(([name]) => inner.includes(name)))]];
    }),
  );

function added(before: JsonObject, after: JsonObject, among?: ReadonlySet<string>): JsonObject {
  const fields: [string, Json][] = [];
  for (const [key, value] of Object.entries(after)) {
    if (among?.has(key) === false) continue;
    const old = before[key];
    if (value === undefined || JSON.stringify(old) === JSON.stringify(value)) continue;
    fields.push([key, isJsonObject(old) && isJsonObject(value) ? added(old, value) : value]);
  }
  return Object.fromEntries(fields);
}
