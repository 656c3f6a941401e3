import type { Dialect, Envelope } from "../dialects/dialect.ts";
import { dialects } from "../dialects/index.ts";
import type { AdmitResult, Need } from "../storage/database.ts";
import type { Bill } from "./bill.ts";
import type { Call } from "./call.ts";
import type { Asked } from "./decode.ts";
import { KeyedRequest } from "./credentials.ts";
import { protocolHeaders } from "./message.ts";
import type { Route, RouteTarget } from "./models.ts";
import { parseAnswer } from "./relay.ts";
import type { Services } from "./services.ts";
import { type Encoding, encodingOf } from "./tokenizer/encoding.ts";
import { requestTexts } from "./tokenizer/request-texts.ts";
import { carriedTo } from "./translate/carried.ts";
import { withOwnSignatures } from "./translate/signatures.ts";
import { isAnswer, upstreamBody } from "./upstream-body.ts";
import { isOfKey, requestOf } from "./upstream-request.ts";

/**
 * A call that a budget has no room for by its bytes, which bound its input several times too high, is counted before its cap
 * is lowered or it is refused: by its provider, or here where the model's tokenizer is known. Counting is free, and no
 * attempt: nothing of it is recorded.
 */

const timeoutMs = 3_000;
/** Beyond it the bytes must do: many callers at the end of a budget must not become a storm of counts. */
const maxAtOnce = 16;
/** "Token count should be considered an estimate": https://platform.claude.com/docs/en/build-with-claude/token-counting */
const slack = 1.05;
const slackTokens = 256;
/**
 * What OpenAI adds to a request's own texts, above what 384 recordings show: at most 193 tokens, where a function was told of
 * for the first time; a few around each message.
 */
const templateTokens = 512;
const tokensPerObject = 16;
const tokensPerTool = 64;

/** A cap this low still lets nearly every answer through: worth no question. */
const amplyTokens = 16_384;

let counting = 0;

/** Whether somebody can be asked. What the provider fetches or keeps itself is in no count. On the path of every call. */
export function mayCount(
  { endpoint }: Call,
  { envelope }: Asked,
  { budgeted, need }: Bill,
  { targets }: Route,
): boolean {
  if (!budgeted || need.inputNano === 0 || need.expectedNano !== undefined) return false;
  if (endpoint.operation !== "chat" || envelope.input.unbounded) return false;
  for (const target of targets) if (counterOf(target) !== null || tokenizerOf(target, envelope) !== null) return true;
  return false;
}

/** Before the count: with a cap that is not lowered, or not by much. */
export const asWhole = (need: Need): Need => ({
  ...need,
  leastOutputTokens: Math.max(need.leastOutputTokens, Math.min(need.outputTokens, amplyTokens)),
});

/** Even what the input will probably cost does not fit. */
export function isHopeless(
  { need, inputBoundTokens, expectedInputTokens }: Bill,
  { budget }: Extract<AdmitResult, { budget: unknown }>,
): boolean {
  const freeNano = budget.limitNano - budget.spentNano - budget.heldNano;
  // Half of it, because the learned ratio is an average.
  return freeNano < (need.inputNano * expectedInputTokens) / inputBoundTokens / 2;
}

/** The most input by each target's provider, or by its tokenizer; `null`: there is none, or it did not count in time. */
export async function countedInputs(
  call: Call,
  asked: Asked,
  { targets }: Route,
  services: Services,
): Promise<readonly (number | null)[]> {
  if (counting >= maxAtOnce) return [];
  counting += 1;
  try {
    return await Promise.all(
      targets.map(async (target) => {
        const counter = counterOf(target);
        const encoding = counter === null ? tokenizerOf(target, asked.envelope) : null;
        try {
          if (encoding !== null) return await countHere(call, asked, target, encoding, services);
          if (counter === null || services.isDryRun) return null;
          return Math.ceil((await count(call, asked, target, counter, services)) * slack) + slackTokens;
        } catch (error) {
          services.logger.debug({ callId: call.id, provider: target.provider, error }, "the input was not counted");
          return null;
        }
      }),
    );
  } finally {
    counting -= 1;
  }
}

function counterOf({ slot }: RouteTarget): Dialect | null {
  if ("chat" in slot) return null;
  for (const name of slot.dialects) {
    const dialect = dialects.get(name);
    if (dialect?.operations["count-tokens"] !== undefined) return dialect;
  }
  return null;
}

/** Of text and of functions alone: what else there is has no tokens that could be counted here. */
function tokenizerOf(target: RouteTarget, { input }: Envelope): Encoding | null {
  if (input.images > 0 || input.audioBytes > 0 || "chat" in target.slot) return null;
  return encodingOf(target);
}

async function countHere(
  call: Call,
  { body, envelope }: Asked,
  target: RouteTarget,
  encoding: Encoding,
  services: Services,
): Promise<number | null> {
  const { slot, model } = target;
  if ("chat" in slot) return null;
  const { dialect, inPath } = call.endpoint;
  const [first, ...others] = slot.dialects.flatMap((name) => dialects.get(name) ?? []);
  if (!first) return null;
  let sent = body;
  if (!slot.dialects.includes(dialect.name)) {
    const original = dialect.decodeRequest(body, inPath);
    const carried = await carriedTo(slot, [first, ...others], original, { call, target, services });
    sent = carried.spoken.encodeRequest(carried.request, model).body;
  }
  const { texts, sealedBytes, objects } = requestTexts(sent);
  const tokens = await services.tokenizer.count(encoding, texts);
  return (
    Math.ceil(tokens * slack) +
    sealedBytes +
    templateTokens +
    objects * tokensPerObject +
    envelope.input.functionTools * tokensPerTool
  );
}

async function count(
  call: Call,
  { body }: Asked,
  target: RouteTarget,
  counter: Dialect,
  services: Services,
): Promise<number> {
  const { slot, provider, model } = target;
  const codec = counter.operations["count-tokens"];
  if (codec === undefined || "chat" in slot) throw new Error("nobody to ask");
  const { dialect, inPath } = call.endpoint;
  const original = dialect.decodeRequest(body, inPath);
  const request =
    counter === dialect
      ? withOwnSignatures(original, dialect.name, dialect)
      : (await carriedTo(slot, [counter], original, { call, target, services })).request;
  const encoded = codec.encodeRequest(request, model);
  const attempt = {
    callId: call.id,
    operation: "count-tokens",
    dialect: counter.name,
    model,
    body: JSON.stringify(encoded.body),
    stream: false,
    framing: "sse",
    clientHeaders: counter === dialect ? protocolHeaders(call) : {},
  } as const;
  const made = await requestOf({ slot, provider }, attempt, call, services);
  const key = made instanceof KeyedRequest ? made : null;
  try {
    const response = await services.transport(made, AbortSignal.timeout(timeoutMs));
    const { status } = response;
    if (!isAnswer(status) && isOfKey("count-tokens", status)) key?.refused(status, null);
    const answer = await upstreamBody(response, false);
    if (!isAnswer(status) || answer.kind !== "whole") throw new Error(`answered with ${status}`);
    return codec.decodeResponse(parseAnswer(answer.bytes)).inputTokens;
  } finally {
    key?.ended("unknown");
  }
}
