import type { Tool } from "./request.ts";

/** The tools that take free text, by name: looked up once for each name that a choice allows. */
export const customNames = (tools: readonly Tool[]): ReadonlySet<string> =>
  new Set(tools.flatMap((tool) => (tool.type === "custom" ? tool.name : [])));
