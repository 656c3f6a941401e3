import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { gemini } from "../../../core/dialects/gemini/index.ts";
import { testDialect } from "../../contract/dialect.ts";
import { normalRequest, normalResponse } from "./normal-form.ts";

const folder = join(import.meta.dirname, "../../fixtures/gemini");
const read = (file: string) => readFileSync(join(folder, file), "utf8");
const files = readdirSync(folder).toSorted();
const fixtures = (ending: string) =>
  files.filter((file) => file.endsWith(ending)).map((file) => [file, read(file)] as const);

const contents = [{ role: "user", parts: [{ text: "hi" }] }];

testDialect(gemini, {
  path: { model: "gemini-2.5-pro", stream: true },
  requests: new Map(fixtures(".request.json").map(([file, text]) => [file, JSON.parse(text)])),
  responses: new Map(fixtures(".response.json").map(([file, text]) => [file, JSON.parse(text)])),
  streams: new Map(fixtures(".sse")),
  normalRequest,
  normalResponse,
  refused: [
    { name: "an empty model", body: { contents }, path: { model: "", stream: false }, param: "model" },
    { name: "a model with a line break", body: { contents }, path: { model: "a\nb", stream: false }, param: "model" },
    { name: "no contents", body: {}, param: "contents" },
    { name: "empty contents", body: { contents: [] }, param: "contents" },
    { name: "a content that is a number", body: { contents: [1] }, param: "contents[0]" },
    {
      name: "a cap of 0",
      body: { contents, generationConfig: { maxOutputTokens: 0 } },
      param: "generationConfig.maxOutputTokens",
    },
    {
      name: "a cap as text",
      body: { contents, generation_config: { max_output_tokens: "5" } },
      param: "generationConfig.max_output_tokens",
    },
    {
      name: "half a candidate",
      body: { contents, generationConfig: { candidateCount: 0.5 } },
      param: "generationConfig.candidateCount",
    },
    { name: "settings as a list", body: { contents, generationConfig: [] }, param: "generationConfig" },
    { name: "tools as text", body: { contents, tools: "search" }, param: "tools" },
  ],
});
