import { isJsonArray, isJsonObject, type Json, type JsonObject } from "../../chat/json.ts";

/** What of a request a model may read, to be counted in tokens. */
export interface RequestTexts {
  readonly texts: readonly string[];
  /** Of what the provider decrypts: no tokenizer knows it, and its bytes bound it. */
  readonly sealedBytes: number;
  /** Each may be a message or a part of one, which has marks around it. */
  readonly objects: number;
}

/**
 * Every text of the body wherever it stands, because names of fields differ and more is safe. Schemas go as JSON, which is
 * longer than the form that vendors give them.
 */
export function requestTexts(body: JsonObject): RequestTexts {
  const texts: string[] = [];
  let sealedBytes = 0;
  let objects = 0;
  const left: (Json | undefined)[] = [];
  for (const [field, value] of Object.entries(body))
    if (schemaFields.has(field)) texts.push(JSON.stringify(value));
    else left.push(value);
  // No recursion: a request may be nested as deep as the parser lets it.
  while (left.length > 0) {
    const value = left.pop();
    if (typeof value === "string") texts.push(value);
    else if (isJsonArray(value)) for (const one of value) left.push(one);
    else if (isJsonObject(value)) {
      objects += 1;
      for (const [field, one] of Object.entries(value))
        if (field === sealedField && typeof one === "string") sealedBytes += one.length;
        else left.push(one);
    }
  }
  return { texts, sealedBytes, objects };
}

const schemaFields: ReadonlySet<string> = new Set(["tools", "functions", "response_format", "text"]);
const sealedField = "encrypted_content";
