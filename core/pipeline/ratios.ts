import { type Json, isJsonArray, isJsonObject } from "../chat/json.ts";
import type { Usage } from "../chat/usage.ts";
import type { InputMeasure } from "../dialects/dialect.ts";
import type { Logger, Namespace, Target as PricedTarget } from "../plugin/plugin.ts";
import { targetName } from "./target-name.ts";

/**
 * How many bytes of text a token of each model is, learned from calls whose provider told the tokens: languages, code,
 * hidden instructions and hidden reasoning make it differ by more than ten times. For what is expected, never for what
 * a call may be at most.
 */
export interface Ratios {
  /** Of the target, or the usual figures while nothing is known of it. */
  of(target: Target): Ratio;
  learn(target: Target, ended: EndedCall): void;
  list(): readonly LearnedRatio[];
}

type Target = Pick<PricedTarget, "provider" | "model">;

/** Bytes in one token. */
export interface Ratio {
  /** Of the request's JSON without media, which is what is measured before a call. */
  readonly input: number;
  /** Of the text, reasoning and tool input that were delivered; what a provider bills and does not show is in it. */
  readonly output: number;
}
/** A call of which the provider told the usage. */
export interface EndedCall {
  readonly input: InputMeasure;
  readonly usage: Usage;
  /** Of the whole answer. */
  readonly contentBytes: number;
  readonly heldNano: number;
  /** `null`: unknown. */
  readonly chargeNano: number | null;
}
export interface LearnedRatio extends Ratio {
  readonly provider: string;
  readonly model: string;
  /** Of the last some hundred calls with a hold: what was held, and what they were charged. */
  readonly heldNano: number;
  readonly chargeNano: number;
}

/** What English prose and code are about, for most models. */
const usual: Ratio = { input: 4, output: 4 };

/** Bytes and tokens of a class, of which the older count less and less. */
interface Seen {
  bytes: number;
  tokens: number;
}
interface Learned {
  readonly provider: string;
  readonly model: string;
  readonly input: Seen;
  readonly output: Seen;
  heldNano: number;
  chargeNano: number;
  /** Calls in the two sums above. */
  held: number;
}

/** How much the usual figures weigh beside what was seen. */
const usualTokens = 200;
/** Beyond it all that was seen is halved: the figure follows a model that changes, after some dozens of long calls. */
const maxTokens = 400_000;
/** What one call adds at most, so that one odd text says little. */
const maxTokensPerCall = 10_000;
/** The same of holds, in calls. */
const maxHeldCalls = 500;
/** No text has less or more; a client that sends only odd ones moves the figure no further for the others. */
const bounds = { input: [1, 16], output: [0.02, 16] } as const;
/** Of models that the gateway has served; the one that came first goes first. */
const maxModels = 1_000;

export function learnedRatios(kept: Json = null): Ratios & { readonly toJson: () => Json } {
  const models = new Map<string, Learned>();
  for (const row of isJsonArray(kept) ? kept : []) {
    const known = revived(row);
    if (known) models.set(targetName(known), known);
  }

  function opened(target: Target): Learned {
    const place = targetName(target);
    const known = models.get(place);
    if (known) return known;
    const { provider, model } = target;
    const fresh = { provider, model, input: nothing(), output: nothing(), heldNano: 0, chargeNano: 0, held: 0 };
    for (const [oldest] of models.size >= maxModels ? models : []) {
      models.delete(oldest);
      break;
    }
    models.set(place, fresh);
    return fresh;
  }

  return {
    of(target) {
      const known = models.get(targetName(target));
      return known ? ratioOf(known) : usual;
    },
    learn(target, { input, usage, contentBytes, heldNano, chargeNano }) {
      const known = opened(target);
      // Of media only the bytes are measured, and of what lies elsewhere not even these.
      if (!input.unbounded && input.images === 0 && input.audioBytes === 0)
        see(known.input, input.textBytes, usage.inputTokens);
      if (usage.outputAudioTokens === 0 && (usage.outputImageTokens ?? 0) === 0)
        see(known.output, contentBytes, usage.outputTokens);
      if (heldNano === 0 || chargeNano === null) return;
      const share = known.held >= maxHeldCalls ? 0.5 : 1;
      known.held = known.held * share + 1;
      known.heldNano = known.heldNano * share + heldNano;
      known.chargeNano = known.chargeNano * share + chargeNano;
    },
    list: () =>
      [...models.values()].map((known) => ({
        provider: known.provider,
        model: known.model,
        ...ratioOf(known),
        heldNano: Math.round(known.heldNano),
        chargeNano: Math.round(known.chargeNano),
      })),
    toJson: () =>
      [...models.values()].map(({ input, output, ...rest }) => ({
        ...rest,
        input: { ...input },
        output: { ...output },
      })),
  };
}

export interface RatioKeeperOptions {
  readonly storage: Namespace;
  readonly logger: Logger;
}

/** Ratios that outlive the process: what was learned since the last `save` is lost with it, and learned again. */
export interface KeptRatios extends Ratios {
  save(): Promise<void>;
}

export async function keptRatios({ storage, logger }: RatioKeeperOptions): Promise<KeptRatios> {
  const ratios = learnedRatios(await storage.get(place));
  let saved = JSON.stringify(ratios.toJson());
  return {
    ...ratios,
    async save() {
      const now = JSON.stringify(ratios.toJson());
      if (now === saved) return;
      try {
        await storage.set(place, ratios.toJson());
        saved = now;
      } catch (error) {
        logger.warn({ error }, "what was learned of the models could not be kept");
      }
    },
  };
}

const place = "bytes per token";

const nothing = (): Seen => ({ bytes: 0, tokens: 0 });

function see(seen: Seen, bytes: number, tokens: number): void {
  if (bytes <= 0 || tokens <= 0) return;
  const part = Math.min(1, maxTokensPerCall / tokens);
  const share = seen.tokens > maxTokens ? 0.5 : 1;
  seen.bytes = seen.bytes * share + bytes * part;
  seen.tokens = seen.tokens * share + tokens * part;
}

const ratioOf = ({ input, output }: Learned): Ratio => ({
  input: bytesPerToken(input, "input"),
  output: bytesPerToken(output, "output"),
});

function bytesPerToken({ bytes, tokens }: Seen, which: keyof Ratio): number {
  const [least, most] = bounds[which];
  const ratio = (bytes + usual[which] * usualTokens) / (tokens + usualTokens);
  return Math.min(Math.max(ratio, least), most);
}

/** `null`: not written by this version. */
function revived(row: Json): Learned | null {
  if (!isJsonObject(row)) return null;
  const { provider, model } = row;
  const [input, output] = [seenIn(row["input"]), seenIn(row["output"])];
  if (typeof provider !== "string" || typeof model !== "string" || !input || !output) return null;
  const number = (name: string) => (isAmount(row[name]) ? row[name] : 0);
  return {
    provider,
    model,
    input,
    output,
    heldNano: number("heldNano"),
    chargeNano: number("chargeNano"),
    held: number("held"),
  };
}

function seenIn(value: Json | undefined): Seen | null {
  if (value === undefined || !isJsonObject(value)) return null;
  const { bytes, tokens } = value;
  return isAmount(bytes) && isAmount(tokens) ? { bytes, tokens } : null;
}

const isAmount = (value: Json | undefined): value is number =>
  typeof value === "number" && Number.isFinite(value) && value >= 0;
