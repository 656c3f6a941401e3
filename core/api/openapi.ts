import type { TSchema } from "@sinclair/typebox";
import type { ApiRoute } from "./route.ts";
import { selfOperations } from "./self-operations.ts";

/** OpenAPI 3.1 of the admin API, made from the routes themselves. */
export function openapi(
  routes: readonly ApiRoute[],
  { version, publicUrl }: { readonly version: string; readonly publicUrl: string },
) {
  const paths: Record<string, Record<string, object>> = {};
  for (const route of routes) {
    const path = route.path.replace(/:(\w+)/g, "{$1}");
    paths[path] = { ...paths[path], [route.method.toLowerCase()]: operation(route) };
  }
  paths["/metrics"] = { get: metrics };
  for (const one of Object.values(selfOperations))
    paths[one.path] = { [one.method.toLowerCase()]: { ...operation(one), security: [{ key: [] }] } };
  return {
    openapi: "3.1.0",
    info: { title: "LLM Proxy admin API", version },
    servers: [{ url: publicUrl }],
    security: [{ adminToken: [] }],
    paths,
    components: { securitySchemes: { adminToken: bearer, key: bearer } },
  };
}

const bearer = { type: "http", scheme: "bearer" } as const;

const refused = {
  description: "Refused; `error.message` says why.",
  content: { "application/json": { schema: { type: "object", required: ["error"] } } },
};

/** The one that answers no JSON, and is no route of `/api`. */
const metrics = {
  summary: "The process and its calls as metrics, in the text format of Prometheus.",
  parameters: [],
  responses: {
    200: { description: "Done.", content: { "text/plain": { schema: { type: "string" } } } },
    default: refused,
  },
};

type Described = Pick<ApiRoute, "path" | "summary" | "query" | "body" | "status" | "produces">;

function operation({ path, summary, query, body, status = 200, produces }: Described) {
  const inPath = [...path.matchAll(/:(\w+)/g)].map(([, name]) => ({
    name,
    in: "path",
    required: true,
    schema: { type: "string" },
  }));
  const properties: Readonly<Record<string, TSchema>> = query?.properties ?? {};
  const inQuery = Object.entries(properties).map(([name, schema]) => ({ name, in: "query", schema: plain(schema) }));
  return {
    summary,
    parameters: [...inPath, ...inQuery],
    ...(body && { requestBody: { required: true, content: { "application/json": { schema: plain(body) } } } }),
    responses: {
      [status]: { description: "Done.", content: contentOf(produces) },
      default: refused,
    },
  };
}

const contentOf = (produces: readonly string[] | undefined) =>
  produces === undefined
    ? { "application/json": { schema: { type: "object" } } }
    : Object.fromEntries(produces.map((type) => [type, { schema: { type: "string" } }]));

/** Without what only our own messages use. */
const plain = (schema: TSchema): unknown =>
  JSON.parse(JSON.stringify(schema, (name, value: unknown) => (name === "expected" ? undefined : value)));
