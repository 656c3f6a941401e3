import { isDeepStrictEqual } from "node:util";
import { GatewayError } from "../../core/chat/error.ts";
import type { JsonObject } from "../../core/chat/json.ts";
import type { ChatRequest } from "../../core/chat/request.ts";
import type { ChatResponse } from "../../core/chat/response.ts";
import type { Dialect, DialectName } from "../../core/dialects/dialect.ts";
import { eventsOf } from "../../core/pipeline/translate/replay.ts";
import { type AnswerFeature, answerFeatures, answerWith } from "./answer-features.ts";
import { bytesOf, decodeSse, encodeSse } from "./dialect.ts";
import {
  type NativeFeature,
  nativeFeatures,
  type RequestFeature,
  requestFeatures,
  requestWith,
} from "./request-features.ts";

/**
 * What becomes of a feature between a client and a target: it arrives; it does not, and the client is told; the call is
 * refused; or there is no word for it in the client's dialect (requests) or in one of the two (answers), so that nothing
 * was said. `lost` is a fault: both have a word, and nobody is told.
 */
export type Outcome = "carried" | "warned" | "refused" | "no word" | "lost";

export interface MatrixRow {
  readonly feature: string;
  readonly side: "request" | "answer";
  outcome(client: Dialect, target: Dialect): Promise<Outcome>;
}

/** What the translation does to a request before the target's codec sees it; throws `not_carried`. */
export type Translate = (
  request: ChatRequest,
  client: Dialect,
  target: Dialect,
) => Promise<{ readonly request: ChatRequest; readonly warnings: readonly string[] }>;

export const matrixRows = (translate: Translate): readonly MatrixRow[] => [
  ...requestFeatures.map((feature) => requestRow(feature, translate)),
  ...nativeFeatures.map((feature) => nativeRow(feature, translate)),
  ...answerFeatures.map(answerRow),
];

/** What a target can say depends on the model, so each has one that can do the most. */
const models: Readonly<Record<DialectName, string>> = {
  "openai-chat": "gpt-5.2",
  "openai-responses": "gpt-5.2",
  "anthropic-messages": "claude-sonnet-4-6",
  gemini: "gemini-3-pro-preview",
};
const inPath = { model: "m", stream: false };

function requestRow({ name, request, probe, unseen = [] }: RequestFeature, translate: Translate): MatrixRow {
  const original = requestWith(request);
  const arrived = (heard: ChatRequest, target: Dialect) =>
    isDeepStrictEqual(probe(heard), probe(original)) ||
    (unseen.includes(target.name) && isDeepStrictEqual(probe(heard), probe(requestWith({}))));
  return {
    feature: name,
    side: "request",
    async outcome(client, target) {
      const said = client.decodeRequest(client.encodeRequest(original, models[client.name]).body, inPath);
      if (!isDeepStrictEqual(probe(said), probe(original))) return "no word";
      if (client.name === target.name) return "carried";
      try {
        const { request: told, warnings: changed } = await translate(said, client, target);
        const { body, warnings } = target.encodeRequest(told, models[target.name]);
        if (arrived(target.decodeRequest(body, inPath), target)) return "carried";
        return changed.length + warnings.length > 0 ? "warned" : "lost";
      } catch (error) {
        return refusal(error);
      }
    },
  };
}

function nativeRow({ name, said }: NativeFeature, translate: Translate): MatrixRow {
  const bodies = new Map<DialectName, JsonObject | undefined>(
    // The keys are names of dialects: the type of `said` has no others.
    Object.entries(said) as [DialectName, JsonObject | undefined][],
  );
  return {
    feature: name,
    side: "request",
    async outcome(client, target) {
      const body = bodies.get(client.name);
      if (body === undefined) return "no word";
      if (client.name === target.name) return "carried";
      try {
        const { request: told } = await translate(client.decodeRequest(body, inPath), client, target);
        target.encodeRequest(told, models[target.name]);
        return "lost";
      } catch (error) {
        return refusal(error);
      }
    },
  };
}

function refusal(error: unknown): "refused" {
  if (error instanceof GatewayError && error.details.code === "not_carried") return "refused";
  throw error;
}

function answerRow({ name, answer, probe }: AnswerFeature): MatrixRow {
  const original = answerWith(answer);
  const arrived = (heard: ChatResponse) => isDeepStrictEqual(probe(heard), probe(original));
  return {
    feature: name,
    side: "answer",
    outcome(client, target) {
      const ways = [wholeWay, streamWay].map((way): Outcome => {
        if (!arrived(way(original, client)) || !arrived(way(original, target))) return "no word";
        return arrived(way(way(original, target), client)) ? "carried" : "lost";
      });
      // Both ways must say the same; a feature that only one of them has a word for is carried by it.
      return Promise.resolve(ways.includes("lost") ? "lost" : ways.includes("carried") ? "carried" : "no word");
    },
  };
}

const wholeWay = (answer: ChatResponse, dialect: Dialect): ChatResponse =>
  dialect.decodeResponse(dialect.encodeResponse(plain(answer)));

const streamWay = (answer: ChatResponse, dialect: Dialect): ChatResponse =>
  decodeSse(dialect, [bytesOf(encodeSse(dialect, [...eventsOf(plain(answer))]))]).response;

/** Another dialect's words are no help. */
const plain = (answer: ChatResponse): ChatResponse => ({ ...answer, extensions: {} });
