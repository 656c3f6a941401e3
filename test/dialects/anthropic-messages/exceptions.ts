/** Recordings of which something does not hold, each with the reason. Every entry must be met. */
export const exceptions: ReadonlyMap<string, { readonly of: "request" | "stream"; readonly why: string }> = new Map([
  [
    "dd-trace-py--cassettes-anthropic-completion-error--0-6389d9",
    { of: "request", why: "its messages are texts, which Anthropic refused too; refused with their place named" },
  ],
  [
    "ai--fixtures-anthropic-programmatic-tool-calling-1-chunks--0-dbea46",
    { of: "stream", why: "the answers to several requests one after another; each is tested by itself" },
  ],
  [
    "ai--fixtures-anthropic-tool-search-deferred-bm25-chunks--0-f0e8c6",
    { of: "stream", why: "the answers to several requests one after another; each is tested by itself" },
  ],
  [
    "ai--fixtures-spliced-message-start-chunks--0-ea6e67",
    { of: "stream", why: "a second message begins within the first, where Anthropic's SDK throws as well" },
  ],
]);
