import { createHash } from "node:crypto";
import { isJsonArray, isJsonObject, type Json, type JsonObject } from "../chat/json.ts";
import { noUsage } from "../chat/usage.ts";
import type { Envelope } from "../dialects/dialect.ts";
import type { Biller, Target } from "../plugin/plugin.ts";
import { likelyInput } from "./estimate.ts";
import type { Loads } from "./loads.ts";
import type { Endpoint } from "./services.ts";

/** In which order an alias asks its targets. */
export type Strategy = "ordered" | "weighted" | "least-busy" | "lowest-latency" | "cheapest" | "sticky";

/** What of a call decides where it goes. */
export interface Choice {
  readonly endpoint: Endpoint;
  readonly accountId: string;
  readonly envelope: Envelope;
  readonly body: JsonObject;
  readonly headers: Headers | null;
}

/** Set where a strategy goes by figures: what the entry that begins with the target came to. For `explain`. */
interface Scored {
  score?: number;
}
/** One entry of an alias: a target, or all that another alias leads to. Its targets are the call's own. */
export interface Candidate<T extends Target & Scored = Target & Scored> {
  readonly name: string;
  readonly weight: number;
  readonly targets: readonly T[];
}

export interface StrategyNeeds {
  readonly random: () => number;
  readonly biller: Biller | null;
  /** `null`: no alias goes by them. */
  readonly loads: Loads | null;
  readonly now: () => number;
}

/** Best first; the others behind it, to fall back on. Where a call decides and there is none, as the file has them. */
export function byStrategy<C extends Candidate>(
  strategy: Strategy,
  candidates: readonly C[],
  choice: Choice | null,
  needs: StrategyNeeds,
): readonly C[] {
  if (candidates.length < 2 || strategy === "ordered") return candidates;
  const { random, loads } = needs;
  if (strategy === "weighted") return byWeight(candidates, random);
  if (choice === null) return candidates;
  switch (strategy) {
    case "least-busy":
      return lowest(shuffled(candidates, random), (target) => loads?.busy(target) ?? 0);
    case "lowest-latency":
      return betterOfTwo(shuffled(candidates, random), (target) => loads?.cost(target) ?? 0);
    case "cheapest":
      return lowest(candidates, (target) => priceOf(target, choice, needs));
    case "sticky":
      return rendezvous(candidates, stickyKey(choice));
  }
}

/** The first by chance and weight, the others behind it in file order. Where all weights are 0, as the file has them. */
function byWeight<C extends Candidate>(candidates: readonly C[], random: () => number): readonly C[] {
  const total = candidates.reduce((sum, { weight }) => sum + weight, 0);
  for (const candidate of candidates) score(candidate, candidate.weight);
  let point = random() * total;
  const first = candidates.find(({ weight }) => (point -= weight) < 0);
  return first ? [first, ...candidates.filter((other) => other !== first)] : candidates;
}

/** Stable: of equals the earlier one stays first. An entry is as good as the first of its targets. */
function lowest<C extends Candidate>(candidates: readonly C[], of: (target: Target) => number): readonly C[] {
  return candidates
    .map((candidate) => ({
      candidate,
      value: candidate.targets[0] ? score(candidate, of(candidate.targets[0])) : Infinity,
    }))
    .sort((one, other) => (one.value === other.value ? 0 : one.value - other.value))
    .map(({ candidate }) => candidate);
}

/**
 * Of two by chance the better one: with all calls to the best one, each process would send everything there at once
 * (Mitzenmacher, "The Power of Two Choices").
 */
function betterOfTwo<C extends Candidate>(drawn: readonly C[], of: (target: Target) => number): readonly C[] {
  const [best, ...left] = lowest(drawn.slice(0, 2), of);
  return best ? [best, ...lowest([...left, ...drawn.slice(2)], of)] : drawn;
}

function shuffled<T>(items: readonly T[], random: () => number): readonly T[] {
  const drawn: T[] = [];
  const left = [...items];
  while (left.length > 0) drawn.push(...left.splice(Math.floor(random() * left.length), 1));
  return drawn;
}

function score({ targets: [first] }: Candidate, value: number): number {
  if (first) first.score = value;
  return value;
}

/** Of a call that sets no cap. */
const likelyOutputTokens = 500;

/** What a call about like this one would cost; without a price it comes last. */
function priceOf(target: Target, { envelope }: Choice, { biller, now }: StrategyNeeds): number {
  if (!biller) return 0;
  const usage = {
    ...noUsage,
    inputTokens: likelyInput(envelope.input),
    outputTokens: Math.min(envelope.maxOutputTokens ?? likelyOutputTokens, likelyOutputTokens) * envelope.candidates,
  };
  try {
    return biller.rate(usage, target, now()).costNano;
  } catch {
    return Infinity;
  }
}

/**
 * Weighted rendezvous hashing: equal keys go to the same target, the keys are shared out by weight, and when a target
 * comes or goes only its own keys move. A weight of 0 is there to fall back on.
 */
function rendezvous<C extends Candidate>(candidates: readonly C[], key: string): readonly C[] {
  const scored = candidates.map((candidate) => {
    const point = (fractionOf(`${key}\n${candidate.name}`) + Number.EPSILON) / (1 + 2 * Number.EPSILON);
    return { candidate, score: score(candidate, candidate.weight === 0 ? 0 : -candidate.weight / Math.log(point)) };
  });
  return scored.sort((one, other) => other.score - one.score).map(({ candidate }) => candidate);
}

/** In [0, 1), from 48 bits of a hash. */
export const fractionOf = (text: string): number =>
  createHash("sha256").update(text).digest().readUIntBE(0, 6) / 2 ** 48;

/** Set by clients for the length of a conversation; the first that is there counts. */
const sessionHeaders = ["x-llm-proxy-session", "x-session-id", "session_id", "x-session-affinity"];
const maxKeyLength = 2_048;

/**
 * What a provider's prompt cache goes by too: the client's own key, its session, else how the conversation begins. Of the
 * account, so that one cannot aim at another's targets.
 */
export function stickyKey({ accountId, body, headers }: Choice): string {
  const session = sessionHeaders.map((name) => headers?.get(name)).find(Boolean);
  const { prompt_cache_key: cacheKey, metadata } = body;
  const user = isJsonObject(metadata) ? metadata["user_id"] : null;
  const own = [cacheKey, session, user].find((word) => typeof word === "string" && word !== "");
  return `${accountId}\n${(typeof own === "string" ? own : beginningOf(body)).slice(0, maxKeyLength)}`;
}

/** Up to the first word of the user, which every later call of the conversation begins with too. */
function beginningOf(body: JsonObject): string {
  const turns = body["messages"] ?? body["input"] ?? body["contents"] ?? body["prompt"] ?? null;
  const first = isJsonArray(turns) ? turns.slice(0, isInstruction(turns[0]) ? 2 : 1) : turns;
  return JSON.stringify([body["system"] ?? body["instructions"] ?? body["systemInstruction"] ?? null, first]);
}

const isInstruction = (turn: Json | undefined): boolean =>
  isJsonObject(turn) && (turn["role"] === "system" || turn["role"] === "developer");
