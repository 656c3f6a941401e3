import type { ChatRequest } from "../../core/chat/request.ts";
import type { Dialect } from "../../core/dialects/dialect.ts";
import { type TranslatedRequest, translateRequest } from "../../core/pipeline/translate/request.ts";

/** The request as the pipeline hands it to the target's codec, of a client whose earlier turns nobody kept. */
export const translated = async (asked: ChatRequest, client: Dialect, target: Dialect): Promise<ChatRequest> =>
  (await translation(asked, client, target)).request;

/** The same, with what became of it. */
export const translation = (asked: ChatRequest, client: Dialect, target: Dialect): Promise<TranslatedRequest> =>
  translateRequest(asked, {
    client,
    target,
    accountId: "default",
    vault: { keep() {}, find: () => null },
    opening: { id: "call-1", createdMs: 1_700_000_000_000 },
  });
