import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { JsonObject } from "../../core/chat/json.ts";

/** A request that a real coding agent sent. */
export interface AgentRequest {
  readonly id: string;
  readonly body: JsonObject;
  readonly stream: boolean;
}

const folder = join(process.env["LLM_PROXY_WIRE"] ?? join(import.meta.dirname, "../../../shared/wire"), "clients");

/** Those of one dialect, by id. Empty, with a line that says so, where the recordings are not there. */
export function recordedAgents(dialect: string): readonly AgentRequest[] {
  if (!existsSync(folder)) {
    console.log(`skipped: the requests of agents in ${dialect}, because LLM_PROXY_WIRE names no folder that has them`);
    return [];
  }
  return readdirSync(folder)
    .toSorted()
    .map((file) => JSON.parse(readFileSync(join(folder, file), "utf8")))
    .filter(({ endpoint_dialect: spoken, request }) => spoken === dialect && request.body)
    .map(({ id, request }) => ({
      id,
      body: request.body,
      stream: request.body.stream === true || request.path.includes(":streamGenerateContent"),
    }));
}
