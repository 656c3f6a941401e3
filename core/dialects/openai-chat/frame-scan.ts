import { endOfString } from "../json-text.ts";
import { utf8Bytes } from "../text-bytes.ts";

/** What a chunk with a delta holds, without parsing it. */
export interface FrameScan {
  /** UTF-8 bytes of text, reasoning, refusal and tool input. */
  contentBytes: number;
  /** A finish reason, an error or a usage object is in there: worth parsing. */
  notable: boolean;
  /** Where the one string that was counted stands in the text; -1 when there are none or several. */
  valueStart: number;
  valueEnd: number;
}

/**
 * Scans the JSON text of a chunk from its `delta` on: strings are stepped over, so nothing that the model says is taken for
 * a field. Approximations: text fields count wherever they stand behind `"delta":` (Perplexity repeats the whole message
 * there), reasoning told in two fields counts once, and `text` counts only where nothing else did (Mistral's lists).
 */
export function scanDelta(data: string, from: number, into: FrameScan): void {
  let bytes = 0;
  let flatReasoning = 0;
  let reasoning = 0;
  let text = 0;
  let notable = false;
  let counted = 0;
  into.valueStart = -1;
  into.valueEnd = -1;

  for (let open = data.indexOf('"', from); open >= 0;) {
    const close = endOfString(data, open + 1);
    let next = skipSpace(data, close + 1);
    if (data.charCodeAt(next) !== colon) {
      open = data.indexOf('"', next);
      continue;
    }
    next = skipSpace(data, next + 1);
    const value = data.charCodeAt(next);
    const field = data.slice(open + 1, close);
    if (value === quote) {
      const end = endOfString(data, next + 1);
      if (countedFields.has(field)) {
        counted++;
        into.valueStart = counted === 1 ? next + 1 : -1;
        into.valueEnd = end;
      }
      if (bytesFields.has(field)) bytes += utf8Bytes(data, next + 1, end);
      else if (field === "reasoning_content") reasoning += utf8Bytes(data, next + 1, end);
      else if (field === "reasoning") flatReasoning += utf8Bytes(data, next + 1, end);
      else if (field === "text") text += utf8Bytes(data, next + 1, end);
      else if (field === "finish_reason" || field === "error") notable = true;
      next = end + 1;
    } else if (value === brace && (field === "usage" || field === "error")) {
      notable = true;
    }
    open = data.indexOf('"', next);
  }
  const told = bytes + Math.max(reasoning, flatReasoning);
  into.contentBytes = told > 0 ? told : text;
  into.notable = notable;
}

const quote = 0x22;
const colon = 0x3a;
const brace = 0x7b;
const bytesFields: ReadonlySet<string> = new Set(["content", "arguments", "input", "refusal"]);
const countedFields: ReadonlySet<string> = new Set([...bytesFields, "reasoning_content", "reasoning", "text"]);

function skipSpace(data: string, from: number): number {
  let at = from;
  while (data.charCodeAt(at) <= 0x20) at++;
  return at;
}
