import { isJsonObject, type Json, type JsonObject } from "../../chat/json.ts";
import type { Message, Part } from "../../chat/request.ts";
import { without } from "../extensions.ts";
import { invalid, readString } from "../fields.ts";
import { type CallIds, historyIds } from "./call-ids.ts";
import { readContents, readParts } from "./envelope.ts";
import { keep } from "./kept.ts";
import { decodePart } from "./parts.ts";
import { inCamel } from "./spelling.ts";

/** The system instruction first, then the turns. */
export function decodeMessages(request: JsonObject): readonly Message[] {
  const ids = historyIds();
  return [
    ...decodeSystem(request["systemInstruction"]),
    ...readContents(request["contents"]).map((content, i) => decodeContent(content, `contents[${i}]`, ids)),
  ];
}

function decodeSystem(value: Json | undefined): readonly Message[] {
  if (value === undefined || value === null) return [];
  const content = isJsonObject(value) ? inCamel(value) : { parts: value };
  const ids = historyIds();
  return [
    {
      role: "system",
      parts: readParts(content["parts"], "systemInstruction.parts").map((part, i) =>
        decodePart(part, `systemInstruction.parts[${i}]`, ids),
      ),
      ...keep(without(content, partsKey)),
    },
  ];
}

/** Results of functions make a message of their own kind, whichever of the two roles they came under. */
function decodeContent(content: JsonObject, path: string, ids: CallIds): Message {
  const role = readString(content["role"], `${path}.role`);
  const parts = readParts(content["parts"], `${path}.parts`).map((part, i) =>
    decodePart(part, `${path}.parts[${i}]`, ids),
  );
  const rest = without(content, contentKeys);
  if (role === "model") return { role: "assistant", parts, ...keep(rest) };
  if (role !== null && role !== "" && role !== "user" && role !== "function")
    throw invalid(`${path}.role`, "must be user or model");
  return {
    role: parts.length > 0 && parts.every(isResult) ? "tool" : "user",
    parts,
    ...keep(role === "function" ? { ...rest, role } : rest),
  };
}

const isResult = (part: Part) => part.type === "tool-result";
const partsKey = new Set(["parts"]);
const contentKeys = new Set(["parts", "role"]);
