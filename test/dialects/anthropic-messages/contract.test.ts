import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { anthropicMessages } from "../../../core/dialects/anthropic-messages/index.ts";
import { testDialect } from "../../contract/dialect.ts";
import { normalRequest, normalResponse } from "./normal-form.ts";

const folder = join(import.meta.dirname, "../../fixtures/anthropic-messages");
const read = (file: string) => readFileSync(join(folder, file), "utf8");
const files = readdirSync(folder).toSorted();
const fixtures = (ending: string) =>
  files.filter((file) => file.endsWith(ending)).map((file) => [file, read(file)] as const);

const messages = [{ role: "user", content: "hi" }];
const valid = { model: "m", max_tokens: 1, messages };

testDialect(anthropicMessages, {
  requests: new Map(fixtures(".request.json").map(([file, text]) => [file, JSON.parse(text)])),
  responses: new Map(fixtures(".response.json").map(([file, text]) => [file, JSON.parse(text)])),
  streams: new Map(fixtures(".sse")),
  normalRequest,
  normalResponse,
  refused: [
    { name: "no model", body: { max_tokens: 1, messages }, param: "model" },
    { name: "an empty model", body: { ...valid, model: "" }, param: "model" },
    { name: "a model with a line break", body: { ...valid, model: "a\nb" }, param: "model" },
    { name: "a model of 257 characters", body: { ...valid, model: "m".repeat(257) }, param: "model" },
    { name: "no cap", body: { model: "m", messages }, param: "max_tokens" },
    { name: "a cap of 0", body: { ...valid, max_tokens: 0 }, param: "max_tokens" },
    { name: "a cap as text", body: { ...valid, max_tokens: "1" }, param: "max_tokens" },
    { name: "no messages", body: { model: "m", max_tokens: 1 }, param: "messages" },
    { name: "empty messages", body: { ...valid, messages: [] }, param: "messages" },
    { name: "a message that is text", body: { ...valid, messages: ["hi"] }, param: "messages[0]" },
    { name: "stream as text", body: { ...valid, stream: "true" }, param: "stream" },
    { name: "tools as an object", body: { ...valid, tools: {} }, param: "tools" },
  ],
});
