import type { JsonObject } from "../../chat/json.ts";
import { ownExtensions } from "../extensions.ts";

/**
 * What OpenAI's other protocol kept, in a request or a part of it, under a name that this one has for the same. Not the
 * other way round: that protocol is spoken by vendors who refuse what they do not know.
 */
export function commonFields(extensions: JsonObject | undefined): JsonObject {
  const kept = ownExtensions("openai-chat", extensions);
  return Object.fromEntries(names.flatMap((name) => (kept[name] === undefined ? [] : [[name, kept[name]]])));
}

const names = [
  "prompt_cache_retention",
  "prompt_cache_options",
  "prompt_cache_breakpoint",
  "safety_identifier",
] as const;
