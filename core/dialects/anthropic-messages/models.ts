/** What a target's model takes. Anthropic refuses, with a 400, what the version at hand does not know. */
export interface ModelTraits {
  /** How thinking is turned on: with a budget in tokens, as the model finds right, either way, or not at all. */
  readonly thinking: "none" | "budget" | "either" | "adaptive";
  /** It thinks whether asked to or not; thinking cannot be turned off. */
  readonly alwaysThinks: boolean;
  /** The largest of `output_config.effort`. */
  readonly mostEffort: "high" | "max";
  /** `temperature`, `top_p` and `top_k` are taken. */
  readonly sampling: boolean;
  /** `temperature` together with `top_p` is taken. */
  readonly temperatureWithTopP: boolean;
  /** `output_config.format` and `strict` tools are taken. */
  readonly structured: boolean;
  /** The most output tokens it can be asked for. */
  readonly outputLimit: number;
}

/**
 * By the version in the name, as in `claude-opus-4-8`, `claude-3-7-sonnet-20250219` or `anthropic.claude-haiku-4-5-v1:0`;
 * a Claude without one is taken for the newest, any other name for a compatible vendor's. Follows
 * https://platform.claude.com/docs/en/about-claude/models/overview and its pages on thinking, effort and structured outputs.
 */
export function modelTraits(model: string): ModelTraits {
  if (!/claude/i.test(model)) return compatible;
  const version = versionOf(model);
  const isOpus = /opus/i.test(model);
  return {
    thinking: version < 3.7 ? "none" : version < 4.6 ? "budget" : version < 4.7 ? "either" : "adaptive",
    alwaysThinks: /fable|mythos/i.test(model),
    mostEffort: version >= 4.7 || isOpus ? "max" : "high",
    sampling: version < 4.7,
    temperatureWithTopP: version < 4.1,
    structured: version >= 4.5 || (isOpus && version >= 4.1),
    outputLimit: version < 3.5 ? 4_096 : version < 3.7 ? 8_192 : isOpus && version < 4.5 ? 32_000 : 64_000,
  };
}

const compatible: ModelTraits = {
  thinking: "budget",
  alwaysThinks: false,
  mostEffort: "high",
  sampling: true,
  temperatureWithTopP: true,
  structured: false,
  outputLimit: 8_192,
};

/** 4.8 of `opus-4-8`; a date in the place of the minor version is none. */
function versionOf(model: string): number {
  const [, major, minor] = /claude[-.]v?(?:[a-z]+[-.])*(\d{1,2})(?:[-.](\d)(?!\d))?/i.exec(model) ?? [];
  return major === undefined ? Infinity : Number(`${major}.${minor ?? 0}`);
}
