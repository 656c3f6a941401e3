import type { JsonObject } from "../../chat/json.ts";
import type { ChatRequest, Message } from "../../chat/request.ts";
import type { DialectName, Spelling } from "../dialect.ts";
import { ownExtensions, withExtensions } from "../extensions.ts";

export const dialectName: DialectName = "anthropic-messages";

/** Fields without a canonical name, to be spread into what they belong to. */
export const keep = (fields: JsonObject) => withExtensions(dialectName, fields);

/** What `keep` kept there. */
export const kept = (owner: { readonly extensions?: JsonObject } | undefined): JsonObject =>
  ownExtensions(dialectName, owner?.extensions);

/*
 * Notes beside the kept fields; no object, so no other dialect takes them for fields that it cannot say.
 * - `ownKey`: the client spoke this dialect and knows what its model takes, so nothing is adapted to the model.
 * - `inlineKey`: a system message that stood among the messages.
 * - `withinKey`: a part of a block that the part before it, or one before that, has whole.
 * - `formatKey`: the format of the answer was said as `output_format`.
 * - `billingKey`: the text of Claude Code's billing pseudo-header. It changes with every call, means nothing to other
 *   vendors and would spoil their prompt caches, so only this dialect sees it.
 */
export const ownKey = `${dialectName}/own`;
export const inlineKey = `${dialectName}/inline`;
export const withinKey = `${dialectName}/within`;
export const formatKey = `${dialectName}/output-format`;
export const billingKey = `${dialectName}/billing`;

export const isOwn = (request: ChatRequest): boolean => request.extensions[ownKey] === true;
export const isInline = (message: Message): boolean => message.extensions?.[inlineKey] === true;

/** What `keep` kept of tools, messages and parts that is no loss to a target of another dialect. */
export const spelling: Spelling = {
  ownWords: new Set(["type", "cache_control", "citations", "caller"]),
  objects: new Set([]),
};
