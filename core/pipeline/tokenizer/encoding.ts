import type { Target } from "../../plugin/plugin.ts";

/** How a vendor cuts text into tokens. */
export type Encoding = "o200k_base" | "cl100k_base";

/**
 * `null`: not known, and then bytes are the only bound. As tiktoken maps OpenAI's models; those after GPT-5.x may have
 * another: https://github.com/openai/tiktoken/blob/main/tiktoken/model.py
 */
export function encodingOf({ vendor, model }: Target): Encoding | null {
  if (vendor !== "openai" && vendor !== "azure") return null;
  if (readsMore.test(model)) return null;
  if (o200k.test(model)) return "o200k_base";
  return cl100k.test(model) ? "cl100k_base" : null;
}

/** Models that search by themselves, or read the input in several runs, or read more than text. */
const readsMore = /search|research|-pro\b|audio|realtime|transcribe|tts|image|computer/;
const o200k = /^(?:ft:)?(?:gpt-4o|gpt-4\.[15]|chatgpt-4o|gpt-5(?:\.\d+)?|o[134])(?:[-:]|$)/;
const cl100k = /^(?:ft:)?(?:gpt-4|gpt-3\.5-turbo)(?:[-:]|$)/;
