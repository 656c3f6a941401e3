import { isJsonArray, isJsonObject, type Json, type JsonObject } from "../../chat/json.ts";
import { effortOf } from "../../chat/reasoning.ts";
import type { ChatRequest, OutputFormat, Reasoning } from "../../chat/request.ts";
import { isEmpty, without } from "../extensions.ts";
import { encryptedName, logprobsName } from "./spelling.ts";
import { readBoolean, readNumber, readObject, readString } from "../fields.ts";

/*
 * The settings that have objects of their own: `text`, `reasoning` and `include`. Each is read into its canonical value and
 * the rest, which is kept and joined again.
 */

export interface Read<Value> {
  readonly value: Value;
  /** What has no canonical name, as the field was; `null`: nothing. */
  readonly rest: Json;
}

export function decodeText(text: Json | undefined): Read<OutputFormat> & { readonly verbosity: string | null } {
  const settings = readObject(text, "text") ?? {};
  const format = readObject(settings["format"], "text.format");
  const value = decodeFormat(format ?? {});
  const rest = without(settings, value === null ? verbosityKey : textKeys);
  return {
    value: value ?? { type: "text" },
    rest: isEmpty(rest) ? null : rest,
    verbosity: readString(settings["verbosity"], "text.verbosity"),
  };
}

export function encodeText({ format, verbosity }: ChatRequest, rest: Json | undefined): JsonObject {
  const encoded = encodeFormat(format);
  const text = {
    ...(encoded === null ? {} : { format: encoded }),
    ...(verbosity === undefined ? {} : { verbosity }),
    ...(isJsonObject(rest) ? rest : {}),
  };
  return isEmpty(text) ? {} : { text };
}

export function decodeReasoningOptions(reasoning: Json | undefined): Read<Reasoning | null> {
  const options = readObject(reasoning, "reasoning");
  if (options === null) return { value: null, rest: null };
  const effort = readString(options["effort"], "reasoning.effort");
  const summary = options["summary"] ?? options["generate_summary"] ?? null;
  const rest = without(options, effortKey);
  return {
    value: { effort, budgetTokens: null, show: summary === null ? null : summary !== "none" },
    rest: isEmpty(rest) ? null : rest,
  };
}

/** `isForeign`: the client did not choose a summary's length, so that `auto` says that it wants one. */
export function encodeReasoningOptions(
  reasoning: Reasoning | null,
  rest: Json | undefined,
  isForeign: boolean,
  warn: (what: string) => void,
): JsonObject {
  if (reasoning === null) return {};
  if (reasoning.budgetTokens !== null && reasoning.budgetTokens > 0) warn("a budget of reasoning tokens");
  const effort = effortOf(reasoning);
  const asksForSummary = isForeign && reasoning.show !== false && wantsReasoning(reasoning);
  const options = {
    ...(isJsonObject(rest) ? rest : {}),
    ...(effort === null ? {} : { effort }),
    ...(asksForSummary ? { summary: "auto" } : {}),
  };
  return isEmpty(options) ? {} : { reasoning: options };
}

export function wantsReasoning(reasoning: Reasoning | null): boolean {
  if (reasoning === null) return false;
  const effort = effortOf(reasoning);
  return effort === null ? reasoning.show === true || reasoning.budgetTokens !== null : effort !== "none";
}

/** `include`, and with it how many alternatives a token's log probability has; `null`: none are wanted. */
export function decodeInclude(include: Json | undefined, alternatives: Json | undefined): Read<number | null> {
  const names = isJsonArray(include) ? include : [];
  if (!names.includes(logprobsName)) return { value: null, rest: names.length === 0 ? null : names };
  const rest = names.filter((name) => name !== logprobsName);
  return { value: readNumber(alternatives, "top_logprobs") ?? 0, rest: rest.length === 0 ? null : rest };
}

/** `encrypted`: the client takes care of the model's thoughts between its turns, so they must come to it. */
export function encodeInclude(logprobs: number | null, rest: Json | undefined, encrypted: boolean): JsonObject {
  const names = new Set(isJsonArray(rest) ? rest : []);
  if (encrypted) names.add(encryptedName);
  if (logprobs !== null) names.add(logprobsName);
  return {
    ...(names.size === 0 ? {} : { include: [...names] }),
    ...(logprobs === null || logprobs === 0 ? {} : { top_logprobs: logprobs }),
  };
}

/** What an answer says of the settings it was made with. */
export const toldSettings = ({ format, reasoning, verbosity }: ChatRequest): JsonObject => ({
  text: { format: encodeFormat(format) ?? { type: "text" }, ...(verbosity === undefined ? {} : { verbosity }) },
  reasoning: { effort: reasoning?.effort ?? null, summary: reasoning?.show === true ? "auto" : null },
});

const textKeys = new Set(["format", "verbosity"]);
const verbosityKey = new Set(["verbosity"]);
const effortKey = new Set(["effort"]);

/** `null`: a format only this dialect has a word for, e.g. a grammar. */
function decodeFormat(format: JsonObject): OutputFormat | null {
  switch (format["type"] ?? "text") {
    case "text":
      return { type: "text" };
    case "json_object":
      return { type: "json" };
    case "json_schema": {
      const { schema } = format;
      if (!isJsonObject(schema)) return null;
      return {
        type: "json-schema",
        name: readString(format["name"], "text.format.name") ?? "",
        description: readString(format["description"], "text.format.description"),
        schema,
        strict: readBoolean(format["strict"], "text.format.strict"),
      };
    }
    default:
      return null;
  }
}

/** `null`: plain text, which need not be said. */
function encodeFormat(format: OutputFormat): JsonObject | null {
  if (format.type === "text") return null;
  if (format.type === "json") return { type: "json_object" };
  const { name, description, schema, strict } = format;
  return {
    type: "json_schema",
    name: name === "" ? "answer" : name,
    ...(description === null ? {} : { description }),
    schema,
    ...(strict === null ? {} : { strict }),
  };
}
