import type { Static, TSchema } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import { GatewayError } from "../chat/error.ts";
import { faultsOf } from "../config/check.ts";
import { steps } from "../config/problem.ts";
import type { Actor, Permission } from "../identity/policy.ts";

/** One operation of the admin API: how it is described at `/openapi.json` and how it is answered. */
export interface ApiRoute {
  readonly method: "GET" | "POST" | "PATCH" | "DELETE";
  /** In Elysia's notation, e.g. `/api/keys/:id`. */
  readonly path: string;
  /** What it asks of whoever comes; checked before `answer` is asked. */
  readonly permission: Permission;
  readonly summary: string;
  /** Absent: it takes none, and one that is given is refused. */
  readonly query?: TSchema;
  /** Absent: none is read. */
  readonly body?: TSchema;
  /** Of success; absent: 200. */
  readonly status?: 200 | 201;
  /** Takes the session of a signed-in person too, because pages link to it: only for what changes nothing. */
  readonly session?: true;
  /** Media types of an answer that is not JSON. */
  readonly produces?: readonly string[];
  /** What becomes JSON, or a whole response. */
  readonly answer: (input: ApiInput) => Promise<object | Response>;
}
export interface ApiInput {
  /** Who asks, and may. */
  readonly actor: Actor;
  readonly params: Readonly<Record<string, string>>;
  readonly query: URLSearchParams;
  /** Parsed JSON, not yet checked; `null` where the route takes no body. */
  readonly body: unknown;
}

/** For what would count nothing, because the config has no plugin that counts it. */
export const notEnforced = (what: "limit" | "budget" | "balance" | "price", section: string): GatewayError =>
  new GatewayError("conflict", `no ${section} plugin is configured: a ${what} would have no effect`);

/** The checked body. Throws `invalid-request` that names the field and never echoes its value. */
export const checked = <Schema extends TSchema>(schema: Schema, value: unknown): Static<Schema> =>
  checkedAs("field", schema, value);

function checkedAs<Schema extends TSchema>(
  what: "field" | "parameter",
  schema: Schema,
  value: unknown,
): Static<Schema> {
  const filled = Value.Default(schema, value);
  const fault = faultsOf(schema, filled, what)[0];
  if (fault) {
    const param = steps(fault.at).join(".");
    throw new GatewayError("invalid-request", `${param || "body"}: ${fault.message}`, param ? { param } : {});
  }
  return filled;
}

/** Query text as the schema's types. A parameter given twice, or unknown, is a mistake that must not pass unseen. */
export function checkedQuery<Schema extends TSchema>(schema: Schema, query: URLSearchParams): Static<Schema> {
  const properties: Readonly<Record<string, TSchema>> = schema.properties ?? {};
  // A map, because an object would swallow `__proto__`.
  const values = new Map<string, unknown>();
  for (const [name, text] of query) {
    if (values.has(name)) throw new GatewayError("invalid-request", `${name}: given twice`, { param: name });
    const wantsNumber = properties[name]?.type === "integer";
    values.set(name, wantsNumber && /^-?\d{1,16}$/.test(text) ? Number(text) : text);
  }
  return checkedAs("parameter", schema, Object.fromEntries(values));
}
