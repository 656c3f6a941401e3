import type { ChatRequest } from "../../chat/request.ts";
import type { Dialect } from "../../dialects/dialect.ts";
import { refuseNativeOnly } from "./native-only.ts";
import type { EventMap } from "./stream.ts";

export interface TranslatedRequest {
  readonly request: ChatRequest;
  readonly warnings: readonly string[];
  /** Undoes in the answer what was done to the request. */
  readonly map: EventMap;
}

/** The request as a target of another dialect can take it. Throws `not_carried` when none can. */
export function translateRequest(asked: ChatRequest, client: Dialect, _target: Dialect): TranslatedRequest {
  refuseNativeOnly(asked, client.name);
  return { request: asked, warnings: [], map: (event, emit) => emit(event) };
}
