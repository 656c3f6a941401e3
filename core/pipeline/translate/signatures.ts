import { Buffer } from "node:buffer";
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

/**
 * Whether a request may hold a signature that is not of its own dialect, or a citation of another vendor's, which stands
 * without its proof. It looks at the text alone, so it may be wrong.
 */
export const mayHoldMarks = (body: string): boolean =>
  body.includes(markedOpening) || (body.includes(proof) && unproven.test(body));

/** What Anthropic takes its own citations back by; those of others have it empty. */
const proof = '"encrypted_index"';
const unproven = new RegExp(`${proof}\\s*:\\s*""`);

/** `null`: no mark of ours. */
export function unmarked(value: string): { readonly dialect: string; readonly value: string } | null {
  if (!value.startsWith(markedOpening)) return null;
  // Also reads the URL-safe alphabet, which some of Google's SDKs write.
  const text = Buffer.from(value, "base64").toString();
  const [, dialect, inner] = /^llmp:([a-z-]+):([^]*)$/.exec(text) ?? [];
  return dialect === undefined || inner === undefined ? null : { dialect, value: inner };
}

/**
 * Marks what the target signed or encrypted. For clients that send signatures back, reasoning without any is marked too:
 * its mark is of nothing, and tells the next turn that no target of the client's own dialect has signed it.
 */
export const markSignatures =
  (target: DialectName, client: Dialect) =>
  (emit: Emit): Emit =>
  (event) => {
    if (event.type !== "text-end" && event.type !== "reasoning-end" && event.type !== "tool-input-end")
      return emit(event);
    const { signature } = event;
    const encrypted = event.type === "reasoning-end" ? event.encrypted : undefined;
    const isBare = event.type === "reasoning-end" && signature === undefined && encrypted === undefined;
    const told = isBare && client.traits.keepsSignatures ? "" : signature;
    if (told === undefined && encrypted === undefined) return emit(event);
    emit({
      ...event,
      ...(told !== undefined && { signature: marked(target, told) }),
      ...(encrypted !== undefined && { encrypted: marked(target, encrypted) }),
    });
  };

/** The request with the target's own signatures as it made them, and without those it could not read. */
export function withOwnSignatures(request: ChatRequest, client: DialectName, target: Dialect): ChatRequest {
  const reader = { isClients: client === target.name, target };
  const messages = request.messages.map((message) =>
    message.parts.some(mayBeSigned)
      ? { ...message, parts: message.parts.flatMap((part) => ownPart(part, reader)) }
      : message,
  );
  return {
    ...request,
    messages: messages.filter(({ parts }, at) => parts.length > 0 || request.messages[at]?.parts.length === 0),
  };
}

interface Reader {
  /** The target speaks the client's dialect: what is not marked is its own. */
  readonly isClients: boolean;
  readonly target: Dialect;
}

/** As the target made it; absent when it did not. */
function own(value: string | undefined, { isClients, target }: Reader): string | undefined {
  if (value === undefined) return undefined;
  const mark = unmarked(value);
  const made = mark === null ? (isClients ? value : "") : mark.dialect === target.name ? mark.value : "";
  return made === "" ? undefined : made;
}

const mayBeSigned = (part: Part): boolean =>
  part.type === "reasoning" || ((part.type === "text" || part.type === "tool-call") && part.signature !== undefined);

function ownPart(part: Part, reader: Reader): Part[] {
  if (part.type === "reasoning") return ownReasoning(part, reader);
  if (part.type !== "text" && part.type !== "tool-call") return [part];
  const { signature, ...plain } = part;
  const kept = own(signature, reader);
  if (kept !== undefined) return [{ ...plain, signature: kept }];
  // Google signs a text by a part of its own, which says nothing else.
  return plain.type === "text" && plain.text === "" ? [] : [plain];
}

function ownReasoning(part: ReasoningPart, reader: Reader): Part[] {
  const { signature, encrypted, ...plain } = part;
  const kept = own(signature, reader);
  const keptEncrypted = own(encrypted, reader);
  if (kept === undefined && keptEncrypted === undefined && !mayGoUnsigned(part, reader)) return [];
  return [
    {
      ...plain,
      ...(kept !== undefined && { signature: kept }),
      ...(keptEncrypted !== undefined && { encrypted: keptEncrypted }),
    },
  ];
}

/** Vendors that sign refuse what lost its signature; to the others it is text. */
function mayGoUnsigned({ text, signature, encrypted }: ReasoningPart, { isClients, target }: Reader): boolean {
  if (isClients && signature === undefined && encrypted === undefined) return true;
  return text !== "" && !target.traits.keepsSignatures;
}
