import { isJsonArray, isJsonObject, type Json, type JsonObject } from "../../chat/json.ts";

/**
 * A request or answer of a dialect whose texts come in pieces (Gemini's), with each text in one: what is to be redacted may
 * lie across several, and clients send streamed pieces back as they got them. The same text where there is nothing to join.
 */
export function withWholeTexts(json: string): string {
  if (json.indexOf('"text"') === json.lastIndexOf('"text"')) return json;
  let body: unknown;
  try {
    body = JSON.parse(json);
  } catch {
    return json;
  }
  if (!isJsonObject(body)) return json;
  const before = partsOf(body);
  const joined: JsonObject = {
    ...body,
    ...(isJsonArray(body.contents) && { contents: joinedContents(body.contents) }),
    ...(isJsonArray(body.candidates) && { candidates: body.candidates.map(joinedCandidate) }),
    ...(isJsonObject(body.systemInstruction) && { systemInstruction: joinedContent(body.systemInstruction) }),
  };
  return partsOf(joined) === before ? json : JSON.stringify(joined);
}

const partsOf = ({ contents, candidates, systemInstruction }: JsonObject): number =>
  JSON.stringify([contents, candidates, systemInstruction]).length;

function joinedContents(contents: readonly Json[]): Json[] {
  const turns: Json[] = [];
  for (const turn of contents) {
    const last = turns.at(-1);
    const isSame =
      isJsonObject(turn) &&
      isJsonObject(last) &&
      isJsonArray(turn.parts) &&
      isJsonArray(last.parts) &&
      turn.role === last.role;
    if (isSame) turns[turns.length - 1] = { ...last, parts: [...listOf(last.parts), ...listOf(turn.parts)] };
    else turns.push(turn);
  }
  return turns.map((turn) => (isJsonObject(turn) ? joinedContent(turn) : turn));
}

const joinedCandidate = (candidate: Json): Json =>
  isJsonObject(candidate) && isJsonObject(candidate.content)
    ? { ...candidate, content: joinedContent(candidate.content) }
    : candidate;

const joinedContent = (content: JsonObject): JsonObject =>
  isJsonArray(content.parts) ? { ...content, parts: joinedParts(content.parts) } : content;

function joinedParts(parts: readonly Json[]): Json[] {
  const joined: Json[] = [];
  let texts: string[] = [];
  let kind: string | null = null;
  const close = () => {
    const last = joined.at(-1);
    if (texts.length > 1 && isJsonObject(last)) joined[joined.length - 1] = { ...last, text: texts.join("") };
    texts = [];
  };
  for (const part of parts) {
    const own = isJsonObject(part) && typeof part.text === "string" ? kindOf(part) : null;
    if (own === null || own !== kind || texts.length === 0) {
      close();
      joined.push(part);
    }
    if (isJsonObject(part) && typeof part.text === "string") texts.push(part.text);
    kind = own;
  }
  close();
  return joined;
}

/** Thoughts are no part of what is said. Signatures stand on the piece that they came with. */
const kindOf = (part: JsonObject): string => (part.thought === true ? "thought" : "said");

const listOf = (value: Json | undefined): readonly Json[] => (isJsonArray(value) ? value : []);
