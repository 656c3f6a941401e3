import { isJsonArray, isJsonObject, type Json, type JsonObject } from "../../chat/json.ts";
import type { ChatRequest, Message, Part, ReasoningPart, ToolCallPart } from "../../chat/request.ts";
import type { Dialect, DialectName } from "../../dialects/dialect.ts";
import type { Vault } from "../vault.ts";
import type { Emit } from "./stream.ts";

/*
 * Clients without a place for signatures send their calls back bare. What the vendor had signed is kept as the answer
 * passes, under each call's id, and put back when the history of a later request has the call.
 */

/** What one call was preceded by, and its own signature. */
interface Kept {
  readonly dialect: DialectName;
  /** The reasoning since the call before it. */
  readonly reasoning: readonly ReasoningPart[];
  readonly signature: string | null;
}

/** Keeps what `target` signed and `client` has no place for, as the target wrote it; `null`: there is no such thing. */
export function keepReasoning(vault: Vault, accountId: string, client: Dialect, target: Dialect) {
  if (!mayKeep(client, target)) return null;
  const dialect = target.name;
  return (emit: Emit): Emit => {
    const candidates = new Map<number, Keeper>();
    return (event) => {
      if ("candidate" in event && event.type !== "text-delta") {
        const keeper = candidates.get(event.candidate) ?? new Keeper(!client.traits.keepsSignatures);
        candidates.set(event.candidate, keeper);
        const kept = keeper.see(event);
        if (kept !== null) vault.keep(accountId, kept.id, jsonOf({ dialect, ...kept }));
      }
      emit(event);
    };
  };
}

const mayKeep = ({ traits }: Dialect, target: Dialect): boolean =>
  target.traits.keepsSignatures && !(traits.keepsSignatures && traits.signsCalls);

type Seen = Parameters<Emit>[0];

/** Of one candidate. */
class Keeper {
  readonly #keepsReasoning: boolean;
  #pieces: string[] = [];
  #reasoning: ReasoningPart[] = [];
  readonly #ids = new Map<number, string>();

  /** `keepsReasoning`: else the client has a place for it, and signatures of calls alone are kept. */
  constructor(keepsReasoning: boolean) {
    this.#keepsReasoning = keepsReasoning;
  }

  /** What is to be kept now that a call has ended. */
  see(event: Seen): (Omit<Kept, "dialect"> & { readonly id: string }) | null {
    if (event.type === "reasoning-delta") {
      if (this.#keepsReasoning) this.#pieces.push(event.text);
    } else if (event.type === "reasoning-end") {
      if (this.#keepsReasoning) this.#endReasoning(event);
    } else if (event.type === "tool-input-start") this.#ids.set(event.index, event.id);
    else if (event.type === "tool-input-end") {
      const id = this.#ids.get(event.index) ?? "";
      const reasoning = this.#reasoning;
      this.#reasoning = [];
      const signature = event.signature ?? null;
      return id === "" || (reasoning.length === 0 && signature === null) ? null : { id, reasoning, signature };
    }
    return null;
  }

  #endReasoning({ signature, encrypted, extensions }: Seen & { type: "reasoning-end" }): void {
    const text = this.#pieces.join("");
    this.#pieces = [];
    if (signature === undefined && encrypted === undefined) return;
    this.#reasoning.push({
      type: "reasoning",
      text,
      ...(signature !== undefined && { signature }),
      ...(encrypted !== undefined && { encrypted }),
      ...(extensions && { extensions }),
    });
  }
}

/** Only the last calls of a long history: vendors ask for the signatures of the turn that is going on. */
const maxLookUps = 128;

/** The request with what was kept of its calls, where `target` made it. */
export async function withKeptReasoning(
  request: ChatRequest,
  vault: Vault,
  accountId: string,
  client: Dialect,
  target: Dialect,
): Promise<ChatRequest> {
  if (!mayKeep(client, target)) return request;
  const calls = request.messages.flatMap(({ parts }) => parts.filter(isBareCall)).slice(-maxLookUps);
  // All at once: a storage that is slow is waited for once.
  const secrets = await Promise.all(calls.map(async (call) => vault.find(accountId, call.id)));
  const found = new Map<ToolCallPart, Kept>();
  for (const [at, secret] of secrets.entries()) {
    const call = calls[at];
    const kept = keptOf(secret);
    if (call !== undefined && kept?.dialect === target.name) found.set(call, kept);
  }
  if (found.size === 0) return request;
  return { ...request, messages: request.messages.map((message) => withKept(message, found)) };
}

const isBareCall = (part: Part): part is ToolCallPart =>
  part.type === "tool-call" && part.id !== "" && part.signature === undefined;

/** The reasoning before the first call opens the message, as vendors want it; that before a later one stands before it. */
function withKept(message: Message, found: ReadonlyMap<ToolCallPart, Kept>): Message {
  const first = message.parts.find((part) => part.type === "tool-call");
  if (first === undefined) return message;
  // What the client sent back itself is not doubled.
  const isTold = message.parts.some((part) => part.type === "reasoning");
  const reasoningOf = (call: ToolCallPart) => (isTold ? [] : (found.get(call)?.reasoning ?? []));
  const parts = message.parts.flatMap((part): readonly Part[] => {
    const kept = part.type === "tool-call" ? found.get(part) : undefined;
    if (part.type !== "tool-call" || kept === undefined) return [part];
    const call = kept.signature === null ? part : { ...part, signature: kept.signature };
    return part === first ? [call] : [...reasoningOf(part), call];
  });
  return { ...message, parts: [...reasoningOf(first), ...parts] };
}

/** Parts are made of JSON values only. */
const jsonOf = ({ dialect, reasoning, signature }: Kept): JsonObject => ({
  dialect,
  reasoning: reasoning as unknown as Json,
  signature,
});

/** Sealed by us alone, so what is in it was written by `jsonOf`; a later version may have written more. */
function keptOf(secret: JsonObject | null): Kept | null {
  if (secret === null) return null;
  const { dialect, reasoning, signature } = secret;
  if (!isJsonArray(reasoning) || !reasoning.every((part) => isJsonObject(part) && part["type"] === "reasoning"))
    return null;
  return {
    dialect: dialect as DialectName,
    reasoning: reasoning as unknown as readonly ReasoningPart[],
    signature: typeof signature === "string" ? signature : null,
  };
}
