import type { Json, JsonObject } from "../../../core/chat/json.ts";

/** The events of a recorded stream, pings left out, without the code under test. */
export const eventsIn = (sse: string): readonly JsonObject[] =>
  sse
    .split(/\r?\n/)
    .filter((line) => line.startsWith("data:"))
    .map((line) => object(JSON.parse(line.slice(5))))
    .filter(({ type }) => type !== "ping");

export const object = (value: Json | undefined): JsonObject =>
  typeof value === "object" && value !== null && !Array.isArray(value) ? (value as JsonObject) : {};
