import { Buffer } from "node:buffer";
import type { ChatEvent } from "../../chat/event.ts";
import type { ChatRequest, Part, ReasoningPart } from "../../chat/request.ts";
import type { Dialect, DialectName } from "../../dialects/dialect.ts";
import type { Emit } from "./stream.ts";

/*
 * A signature, like encrypted reasoning, means something to the vendor that made it alone. On its way to a client of
 * another dialect it is marked with the dialect it is of, and on its way back it goes to a target of that dialect only. It
 * is bound to the dialect and no more: that another account or another vendor of the same dialect refuses it is theirs to
 * say. A mark is base64 throughout, because clients of Gemini take signatures for bytes and write them anew.
 */

const opening = "llmp:";
/** What every mark begins with: base64 of `llmp:` and two bits of the letter behind it. */
const markedOpening = "bGxtcDp";

export const marked = (dialect: DialectName, value: string): string =>
  Buffer.from(`${opening}${dialect}:${value}`).toString("base64");

/** Whether a request may hold a signature that is not of its own dialect. It looks at the text alone, so it may be wrong. */
export const mayHoldMarks = (body: string): boolean => body.includes(markedOpening);

/** `null`: no mark of ours. */
export function unmarked(value: string): { readonly dialect: string; readonly value: string } | null {
  if (!value.startsWith(markedOpening)) return null;
  // Also reads the URL-safe alphabet, which some of Google's SDKs write.
  const text = Buffer.from(value, "base64").toString();
  const [, dialect, inner] = /^llmp:([a-z-]+):([^]*)$/.exec(text) ?? [];
  return dialect === undefined || inner === undefined ? null : { dialect, value: inner };
}

/** Marks what the target signed or encrypted. */
export const markSignatures =
  (target: DialectName) =>
  (emit: Emit): Emit =>
  (event) =>
    emit(isSigned(event) ? { ...event, ...marks(target, event) } : event);

type EndEvent = ChatEvent & { type: "text-end" | "reasoning-end" | "tool-input-end" };

const isSigned = (event: ChatEvent): event is EndEvent =>
  (event.type === "text-end" || event.type === "reasoning-end" || event.type === "tool-input-end") &&
  (event.signature !== undefined || ("encrypted" in event && event.encrypted !== undefined));

function marks(target: DialectName, event: EndEvent) {
  const { signature } = event;
  const encrypted = event.type === "reasoning-end" ? event.encrypted : undefined;
  return {
    ...(signature !== undefined && { signature: marked(target, signature) }),
    ...(encrypted !== undefined && { encrypted: marked(target, encrypted) }),
  };
}

/** The request with the target's own signatures as it made them, and without those it could not read. */
export function withOwnSignatures(request: ChatRequest, client: DialectName, target: Dialect): ChatRequest {
  const own = (value: string | undefined): string | undefined => {
    if (value === undefined) return undefined;
    const mark = unmarked(value);
    if (mark === null) return client === target.name ? value : undefined;
    return mark.dialect === target.name ? mark.value : undefined;
  };
  const keepsUnsigned = client === target.name || !target.traits.keepsSignatures;
  const messages = request.messages.map((message) =>
    message.parts.some(mayBeSigned)
      ? { ...message, parts: message.parts.flatMap((part) => ownPart(part, own, keepsUnsigned)) }
      : message,
  );
  return {
    ...request,
    messages: messages.filter(({ parts }, at) => parts.length > 0 || request.messages[at]?.parts.length === 0),
  };
}

const mayBeSigned = (part: Part): boolean =>
  part.type === "reasoning" || ((part.type === "text" || part.type === "tool-call") && part.signature !== undefined);

function ownPart(part: Part, own: (value: string | undefined) => string | undefined, keepsUnsigned: boolean): Part[] {
  if (part.type === "reasoning") return ownReasoning(part, own, keepsUnsigned);
  if (part.type !== "text" && part.type !== "tool-call") return [part];
  const { signature, ...plain } = part;
  const kept = own(signature);
  return [kept === undefined ? plain : { ...plain, signature: kept }];
}

/** Vendors that sign refuse reasoning without a signature; others take it as text. */
function ownReasoning(
  { signature, encrypted, ...plain }: ReasoningPart,
  own: (value: string | undefined) => string | undefined,
  keepsUnsigned: boolean,
): Part[] {
  const kept = own(signature);
  const keptEncrypted = own(encrypted);
  const isSignedStill = kept !== undefined || keptEncrypted !== undefined;
  if (!isSignedStill && (plain.text === "" || !keepsUnsigned)) return [];
  return [
    {
      ...plain,
      ...(kept !== undefined && { signature: kept }),
      ...(keptEncrypted !== undefined && { encrypted: keptEncrypted }),
    },
  ];
}
