import { beforeAll } from "bun:test";
import type { Route } from "../../core/front.ts";
import { apis } from "../api/server.ts";

/** Every route that a process has, by its own list: what is sent to a running one is made from it, so no route is left out. */
export function everyRoute(): () => readonly Route[] {
  const newApi = apis();
  let routes: readonly Route[] = [];
  beforeAll(async () => {
    ({ routes } = await newApi());
  });
  return () => routes;
}

export const unknownId = "0190a1b2-0000-7000-8000-000000000000";

/** With something in the place of each parameter. */
export const filled = (path: string, method = "GET"): string =>
  path.replace(/:\w+/g, unknownId).replace("*", method === "POST" ? "some/model:countTokens" : "some/model");

export const isForm = (path: string): boolean => path.startsWith("/dashboard");

/** A body that a route can read: what it makes of it is not asked here. */
export function bodyOf(method: string, path: string) {
  if (method !== "POST" && method !== "PATCH") return { headers: {}, body: undefined };
  return isForm(path)
    ? { headers: { "content-type": "application/x-www-form-urlencoded" }, body: "" }
    : { headers: { "content-type": "application/json" }, body: "{}" };
}
