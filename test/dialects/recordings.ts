import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { JsonObject } from "../../core/chat/json.ts";

/** A recorded exchange with a provider; the fields that these tests read. */
export interface Recording {
  readonly id: string;
  readonly provider: string;
  readonly stream: boolean;
  /** `null` where only the answer was recorded. */
  readonly request: JsonObject | null;
  /** Of the request; where it was not recorded, none. */
  readonly path: string;
  readonly status: number;
  readonly body: JsonObject | null;
  readonly sse: string | null;
}

/** Requests that coding agents sent in a dialect, by id. Empty where the recordings are not there, as below. */
export function clientRequestsOf(dialect: string): readonly { readonly id: string; readonly request: JsonObject }[] {
  return filesIn("clients", dialect).flatMap((text) => {
    const { id, endpoint_dialect: spoken, request } = JSON.parse(text);
    return spoken === dialect && typeof request.body === "object" && request.body !== null
      ? [{ id, request: request.body }]
      : [];
  });
}

/** All recordings of a dialect, by id. Empty, with a line that says so, where the recordings are not there. */
export function recordingsOf(dialect: string): readonly Recording[] {
  return filesIn(dialect, dialect).map((text) => {
    const { id, provider, stream, request, response } = JSON.parse(text);
    const { status, body, sse } = response;
    return {
      id,
      provider,
      stream,
      request: request?.body ?? null,
      path: request?.path ?? "",
      status,
      body: body ?? null,
      sse: sse ?? null,
    };
  });
}

function filesIn(name: string, dialect: string): readonly string[] {
  const root = process.env["LLM_PROXY_WIRE"] ?? join(import.meta.dirname, "../../../shared/wire");
  const folder = join(root, name);
  if (!existsSync(folder)) {
    console.log(`skipped: all recordings of ${dialect}, because LLM_PROXY_WIRE names no folder that has them`);
    return [];
  }
  return readdirSync(folder)
    .toSorted()
    .map((file) => readFileSync(join(folder, file), "utf8"));
}
