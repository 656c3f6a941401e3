import type { ChatRequest } from "../../core/chat/request.ts";
import type { Dialect } from "../../core/dialects/dialect.ts";
import { translateRequest } from "../../core/pipeline/translate/request.ts";

/** The request as the pipeline hands it to the target's codec, of a client whose earlier turns nobody kept. */
export async function translated(asked: ChatRequest, client: Dialect, target: Dialect): Promise<ChatRequest> {
  const { request } = await translateRequest(asked, {
    client,
    target,
    accountId: "default",
    vault: { keep() {}, find: () => null },
    opening: { id: "call-1", createdMs: 1_700_000_000_000 },
  });
  return request;
}
