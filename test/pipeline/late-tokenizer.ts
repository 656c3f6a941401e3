import { threadPort } from "../../core/runtime/worker.ts";

/** A thread in place of the tokenizer's that does what a text says; else each text is one token. */
const port = threadPort();
port.onMessage((message) => {
  // Posted by `tokenizerThread` only.
  const { id, texts } = message as { readonly id: number; readonly texts: readonly string[] };
  if (texts[0] === "hang") for (;;);
  if (texts[0] === "die") process.exit(3);
  port.post(texts[0] === "throw" ? { id, error: "no such table" } : { id, tokens: texts.length });
});
