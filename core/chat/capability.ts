/** What a chat call may ask of a model beside text, and not every model can do. */
export const capabilities = ["images", "audio", "files", "tools", "reasoning", "structuredOutput"] as const;
export type Capability = (typeof capabilities)[number];

export const capabilityWords: Readonly<Record<Capability, string>> = {
  images: "images",
  audio: "audio",
  files: "files",
  tools: "tools",
  reasoning: "reasoning",
  structuredOutput: "a JSON schema for the answer",
};
