import { stayBehind, threadPort } from "../../runtime/worker.ts";
import { boundedCount, type CountTokens } from "./bounded-count.ts";
import type { Encoding } from "./encoding.ts";
import type { CountAnswer, CountOrder } from "./tokenizer.ts";

/** What the thread of the tokenizer runs. Its tables take some hundred milliseconds to load, each with its first order. */
const port = threadPort();
const post = (message: CountAnswer) => port.post(message);
const counters = new Map<Encoding, CountTokens>();
let last = Promise.resolve();

port.onMessage((message) => {
  // Posted by `tokenizerThread` only.
  const order = message as CountOrder;
  last = last.then(() => answer(order));
});

async function answer({ id, encoding, texts }: CountOrder) {
  try {
    const count = counters.get(encoding) ?? (await load(encoding));
    let tokens = 0;
    for (const text of texts) tokens += boundedCount(text, count);
    post({ id, tokens });
  } catch (error) {
    post({ id, error: String(error) });
  }
}

async function load(encoding: Encoding): Promise<CountTokens> {
  const { countTokens } = await (encoding === "o200k_base"
    ? import("gpt-tokenizer/encoding/o200k_base")
    : import("gpt-tokenizer/encoding/cl100k_base"));
  // Names of special tokens in a client's text are text.
  const plain = { disallowedSpecial: new Set<string>() };
  const count = (text: string) => countTokens(text, plain);
  // Somebody waits for the tables. Texts are strangers', and one that keeps the thread busy must not slow others down.
  if (counters.size === 0) stayBehind();
  counters.set(encoding, count);
  return count;
}
