import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { openaiResponses } from "../../../core/dialects/openai-responses/index.ts";
import { testDialect } from "../../contract/dialect.ts";
import { normalRequest, normalResponse } from "./normal-form.ts";

const folder = join(import.meta.dirname, "../../fixtures/openai-responses");
const read = (file: string) => readFileSync(join(folder, file), "utf8");
const files = readdirSync(folder).toSorted();
const fixtures = (ending: string) =>
  files.filter((file) => file.endsWith(ending)).map((file) => [file, read(file)] as const);

/** Fields that every answer has, whether or not a vendor wrote them, are compared by the recordings' test. */
const written = new Set([
  "id",
  "object",
  "created_at",
  "model",
  "status",
  "output",
  "usage",
  "error",
  "incomplete_details",
]);

testDialect(openaiResponses, {
  requests: new Map(fixtures(".request.json").map(([file, text]) => [file, JSON.parse(text)])),
  responses: new Map(fixtures(".response.json").map(([file, text]) => [file, JSON.parse(text)])),
  streams: new Map(fixtures(".sse")),
  normalRequest,
  normalResponse: (body) =>
    normalResponse(Object.fromEntries(Object.entries(body).filter(([key]) => written.has(key)))),
  refused: [
    { name: "no model", body: { input: "hi" }, param: "model" },
    { name: "a model of 257 characters", body: { model: "m".repeat(257), input: "hi" }, param: "model" },
    { name: "no input", body: { model: "m" }, param: "input" },
    { name: "an item that is text", body: { model: "m", input: ["hi"] }, param: "input[0]" },
    { name: "a cap of 0", body: { model: "m", input: "hi", max_output_tokens: 0 }, param: "max_output_tokens" },
    { name: "stream as text", body: { model: "m", input: "hi", stream: "true" }, param: "stream" },
    { name: "tools as an object", body: { model: "m", input: "hi", tools: {} }, param: "tools" },
    { name: "instructions as a list", body: { model: "m", input: "hi", instructions: [] }, param: "instructions" },
  ],
});
