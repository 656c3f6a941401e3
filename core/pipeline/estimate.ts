import type { InputMeasure } from "../dialects/dialect.ts";

/** What a vendor adds around the messages: templates, role markers, hidden instructions. */
const overheadTokens = 1_024;
const tokensPerTool = 512;
/** The dearest recorded way to count one image: gpt-4o-mini at high detail, 8 tiles. */
const tokensPerImage = 50_000;
/** Audio is billed by time; at the lowest usual bitrate (8 kbit/s) 16 base64 bytes are over 10 ms, well below one token. */
const audioBytesPerToken = 16;
/** Where neither the price book nor the operator knows a model's context window. */
const unknownContextWindow = 1_048_576;

/** About what the usual models count for a photograph. */
const likelyTokensPerImage = 1_000;

/**
 * The most input tokens a request can be: no token is shorter than a byte. What bytes do not bound is the context window.
 * Never tokenises: adversarial text can hold a tokenizer for seconds.
 */
export function inputBound(input: InputMeasure, contextWindow: number | null): number {
  const window = contextWindow ?? unknownContextWindow;
  if (input.unbounded) return window;
  const bound =
    input.textBytes +
    overheadTokens +
    input.functionTools * tokensPerTool +
    input.images * tokensPerImage +
    Math.ceil(input.audioBytes / audioBytesPerToken);
  return contextWindow === null ? bound : Math.min(bound, window);
}

/**
 * Searches, of the web and of files each, that a provider may run for the call and bill by the piece: only tools that bytes
 * do not bound run any, and no recording has more than two.
 */
export const searchBound = (input: InputMeasure): number => searchBounds[input.unbounded ? 1 : 0];
/** Without and with such tools. */
export const searchBounds = [0, 10] as const;

/** What the input will probably be: for limits in tokens, and for calls whose usage is never told. */
export const expectedInput = (input: InputMeasure, bytesPerToken: number, bound: number): number =>
  Math.min(Math.ceil(input.textBytes / bytesPerToken) + input.images * likelyTokensPerImage, bound);

/** Of text of most kinds. */
const usualBytesPerToken = 4;
/** What the input will probably be for a model that nothing is known of. */
export const likelyInput = (input: InputMeasure): number => expectedInput(input, usualBytesPerToken, Infinity);

/** Tokens of an answer of which only the delivered bytes are known. */
export const expectedOutput = (contentBytes: number, bytesPerToken: number): number =>
  Math.ceil(contentBytes / bytesPerToken);
