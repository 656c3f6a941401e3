import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { openaiChat } from "../../../core/dialects/openai-chat/index.ts";
import { testDialect } from "../../contract/dialect.ts";
import { normalRequest, normalResponse } from "../normal-form.ts";

const folder = join(import.meta.dirname, "../../fixtures/openai-chat");
const read = (file: string) => readFileSync(join(folder, file), "utf8");
const files = readdirSync(folder).toSorted();
const fixtures = (ending: string) =>
  files.filter((file) => file.endsWith(ending)).map((file) => [file, read(file)] as const);

const messages = [{ role: "user", content: "hi" }];

testDialect(openaiChat, {
  requests: new Map(fixtures(".request.json").map(([file, text]) => [file, JSON.parse(text)])),
  responses: new Map(fixtures(".response.json").map(([file, text]) => [file, JSON.parse(text)])),
  streams: new Map(fixtures(".sse")),
  normalRequest,
  normalResponse,
  refused: [
    { name: "no model", body: { messages }, param: "model" },
    { name: "an empty model", body: { model: "", messages }, param: "model" },
    { name: "a model with a line break", body: { model: "a\nb", messages }, param: "model" },
    { name: "a model of 257 characters", body: { model: "m".repeat(257), messages }, param: "model" },
    { name: "no messages", body: { model: "m" }, param: "messages" },
    { name: "empty messages", body: { model: "m", messages: [] }, param: "messages" },
    { name: "a message that is text", body: { model: "m", messages: ["hi"] }, param: "messages[0]" },
    { name: "stream as text", body: { model: "m", messages, stream: "true" }, param: "stream" },
    { name: "stream options as a list", body: { model: "m", messages, stream_options: [] }, param: "stream_options" },
  ],
});
