/** What a model of OpenAI's takes, whichever of its protocols asks. It refuses, with a 400, what the model has no use for. */
export interface ModelTraits {
  /** It reasons before it answers. */
  readonly reasons: boolean;
  /** The efforts that it can be asked for, from the least; none: the setting itself is refused. */
  readonly efforts: readonly string[];
  /** It reasons where no effort is said. */
  readonly reasonsUnasked: boolean;
  /** When `temperature`, `top_p` and log probabilities are taken. */
  readonly sampling: "always" | "without-reasoning" | "never";
  readonly penalties: boolean;
  readonly stop: boolean;
  /** When it can be asked in chat completions, and not in Responses alone. */
  readonly inChat: "always" | "without-functions" | "never";
}

/** From the least to the most. */
export const efforts = ["none", "minimal", "low", "medium", "high", "xhigh", "max"];

/**
 * By the name, as in `gpt-5.1-codex-max`, `openai/o4-mini`, `gpt-4o-2024-11-20` or `ft:gpt-4.1:acme::1`; `null`: no name of
 * OpenAI's, or of its open weights, so that it is for the server at hand to say. Follows
 * https://platform.openai.com/docs/guides/reasoning, https://platform.openai.com/docs/guides/latest-model (its parameter
 * compatibility), the pages of the models below https://platform.openai.com/docs/models, and for `stop`
 * https://platform.openai.com/docs/api-reference/chat/create. "Function tools with reasoning_effort are not supported for
 * gpt-5.4 in /v1/chat/completions": https://github.com/openai/openai-openapi/issues/541, and of gpt-5.6 without an effort
 * too: https://github.com/BerriAI/litellm/pull/34569.
 */
export function modelTraits(name: string): ModelTraits | null {
  // What follows the base of a fine-tuned model are the words of those who made it.
  const [, base] = /(?:^|\/)ft:([^:]+)/.exec(name) ?? [];
  const model = base ?? name;
  const series = /(?:^|[/:])o(\d)(?=-|$)/.exec(model)?.[1];
  if (series !== undefined) return ofSeries(Number(series), model);
  const [, major, minor] = /(?:^|[/:])(?:chat)?gpt-(\d)(?:[.-](\d{1,2})(?!\d))?/.exec(model) ?? [];
  return major === undefined ? null : ofGpt(Number(major), Number(minor ?? 0), model);
}

function ofSeries(series: number, model: string): ModelTraits {
  const hasNoEffort = /o1-(?:mini|preview)/.test(model);
  return {
    ...reasoning,
    efforts: hasNoEffort ? [] : between("low", "high"),
    // "Not supported with latest reasoning models o3 and o4-mini".
    stop: series < 3 || model.includes("o3-mini"),
    inChat: isPro(model) ? "never" : "always",
  };
}

function ofGpt(major: number, minor: number, model: string): ModelTraits {
  const isChat = /-chat(?:-|$)/.test(model);
  if (major < 5 || (isChat && major === 5 && minor === 0)) return plain;
  const since = (otherMajor: number, otherMinor: number) =>
    major > otherMajor || (major === otherMajor && minor >= otherMinor);
  const taken = effortsOf(since, isChat, model);
  return {
    ...reasoning,
    efforts: taken,
    reasonsUnasked: !taken.includes("none") || since(5, 5),
    sampling: taken.includes("none") && !since(6, 0) ? "without-reasoning" : "never",
    inChat: isPro(model) || model.includes("codex") ? "never" : since(5, 4) ? "without-functions" : "always",
  };
}

function effortsOf(since: (major: number, minor: number) => boolean, isChat: boolean, model: string) {
  const most = since(5, 6) ? "max" : since(5, 2) || model.includes("codex-max") ? "xhigh" : "high";
  if (isChat) return ["medium"];
  if (isPro(model)) return since(5, 2) ? between("medium", most) : ["high"];
  if (model.includes("codex")) return between("low", most);
  if (!since(5, 1)) return between("minimal", most);
  // Of the sixth generation only these two can be kept from reasoning.
  const isNeverOff = since(6, 0) && !/-(?:sol|luna)(?:-|$)/.test(model);
  return isNeverOff ? between("low", most) : ["none", ...between("low", most)];
}

const isPro = (model: string): boolean => /-pro(?:-|$)/.test(model);

const between = (least: string, most: string): readonly string[] =>
  efforts.slice(efforts.indexOf(least), efforts.indexOf(most) + 1);

const plain: ModelTraits = {
  reasons: false,
  efforts: [],
  reasonsUnasked: false,
  sampling: "always",
  penalties: true,
  stop: true,
  inChat: "always",
};

const reasoning: ModelTraits = {
  reasons: true,
  efforts: [],
  reasonsUnasked: true,
  sampling: "never",
  penalties: false,
  stop: false,
  inChat: "always",
};
