import type { ChatRequest } from "../../chat/request.ts";
import type { Dialect } from "../../dialects/dialect.ts";
import type { Vault } from "../vault.ts";
import { withFittingIds } from "./call-ids.ts";
import { withFunctionsOnly } from "./custom-tools.ts";
import { withFittingMedia } from "./fitting-media.ts";
import { keepReasoning, withKeptReasoning } from "./kept-reasoning.ts";
import { lostFields } from "./lost-fields.ts";
import { withMadeMedia } from "./made-media.ts";
import { refuseNativeOnly } from "./native-only.ts";
import { withResultsBehindCalls } from "./result-order.ts";
import { markSignatures, withOwnSignatures } from "./signatures.ts";
import type { Emit } from "./stream.ts";
import { withTakenFormat } from "./told-format.ts";
import { withFittingNames } from "./tool-names.ts";

export interface Parties {
  readonly client: Dialect;
  readonly target: Dialect;
  /** Whose call it is. */
  readonly accountId: string;
  readonly vault: Vault;
  /** For answers that say neither who they are nor when they began. */
  readonly opening: { readonly id: string; readonly createdMs: number };
}

export interface TranslatedRequest {
  readonly request: ChatRequest;
  /** What the target cannot be asked for as the client did, each a short sentence. */
  readonly warnings: readonly string[];
  /** Undoes in the answer what was done to the request; as in `Translation`. */
  readonly restore: (emit: Emit) => Emit;
}

/** The request as a target of another dialect can take it. Throws `not_carried` when it cannot. */
export async function translateRequest(asked: ChatRequest, parties: Parties): Promise<TranslatedRequest> {
  const { client, target, accountId, vault, opening } = parties;
  refuseNativeOnly(asked, client.name);
  const { request: seen, warnings: unseen } = withFittingMedia(asked, client, target);
  const { request: shown, warnings: unshown } = withMadeMedia(seen, target);
  const own = withOwnSignatures(shown, client.name, target);
  const signed = await withKeptReasoning(own, vault, accountId, client, target);
  const { request: plainTools, restore: unwrap } = target.traits.customTools
    ? { request: signed, restore: null }
    : withFunctionsOnly(signed);
  const { request: named, restore: rename } = withFittingNames(plainTools, target.traits.toolName);
  const { request: formatted, warnings: told } = withTakenFormat(withChoiceOfTools(named), target);
  const keep = keepReasoning(vault, accountId, client, target);
  const mark = markSignatures(target.name, client);
  return {
    request: withResultsBehindCalls(withFittingIds(formatted, target.traits.toolCallId)),
    warnings: [...unseen, ...unshown, ...told, ...lostFields(asked, client, target)],
    // Read from the inside out, an event goes through them from the last to the first.
    restore: (emit) =>
      [mark, keep, unwrap, rename].reduce((inner, step) => step?.(inner) ?? inner, withOpening(opening, emit)),
  };
}

/** "'tool_choice' is only allowed when 'tools' are specified": how to choose among none says nothing. */
const withChoiceOfTools = (request: ChatRequest): ChatRequest =>
  request.tools.some(({ type }) => type !== "server")
    ? request
    : { ...request, toolChoice: null, parallelToolCalls: null };

/** Not every protocol gives an answer an id and a time; those that do, make clients rely on them. */
const withOpening =
  ({ id, createdMs }: Parties["opening"], emit: Emit): Emit =>
  (event) =>
    emit(
      event.type === "response-start"
        ? { ...event, id: event.id || id, createdMs: event.createdMs || createdMs }
        : event,
    );
