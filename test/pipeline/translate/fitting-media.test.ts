import { Buffer } from "node:buffer";
import { describe, expect, test } from "bun:test";
import type { JsonObject } from "../../../core/chat/json.ts";
import type { MediaPart, Message, Part } from "../../../core/chat/request.ts";
import type { DialectName } from "../../../core/dialects/dialect.ts";
import { dialects } from "../../../core/dialects/index.ts";
import { translation } from "../../support/translated.ts";
import { withMessages } from "./parties.ts";

/** Images, sounds and documents on their way to a target that takes other ones. */

const base64 = (text: string) => Buffer.from(text).toString("base64");
const media = (kind: MediaPart["kind"], mediaType: string | null, source: MediaPart["source"]): MediaPart => ({
  type: "media",
  kind,
  mediaType,
  source,
});
const inline = (kind: MediaPart["kind"], mediaType: string | null, data = base64("hello")) =>
  media(kind, mediaType, { by: "data", base64: data });
const byUrl = (kind: MediaPart["kind"], url: string) => media(kind, null, { by: "url", url });
const words: Part = { type: "text", text: "What is it?" };
const user = (...parts: Part[]): Message => ({ role: "user", parts });

async function sent(target: DialectName, messages: readonly Message[], client: DialectName) {
  const from = dialects.get(client);
  const to = dialects.get(target);
  if (from === undefined || to === undefined) throw new Error("a dialect is missing");
  const { request, warnings } = await translation({ ...withMessages(...messages), maxOutputTokens: 9 }, from, to);
  return { body: to.encodeRequest(request, "m").body, warnings };
}

/** What a part becomes beside some words, and what is said of it. */
async function told(part: MediaPart, target: DialectName, client: DialectName = "gemini") {
  const { body, warnings } = await sent(target, [user(words, part)], client);
  const [turn] = (body["messages"] ?? body["input"] ?? body["contents"]) as readonly JsonObject[];
  const content = turn?.["content"] ?? turn?.["parts"];
  return { parts: Array.isArray(content) ? content.slice(1) : [], warnings };
}
const lost = (target: DialectName, what: string) => ({
  parts: [],
  warnings: [`${target} cannot say ${what}; left out`],
});

describe("to openai-chat", () => {
  test("a PDF without a name gets one", async () => {
    const file = { filename: "document.pdf", file_data: `data:application/pdf;base64,${base64("hello")}` };
    for (const type of ["application/pdf", null])
      expect(await told(inline("file", type), "openai-chat")).toEqual({
        parts: [{ type: "file", file }],
        warnings: [],
      });
    const named = { ...inline("file", "application/pdf"), name: "a.pdf" };
    expect((await told(named, "openai-chat")).parts).toMatchObject([{ file: { filename: "a.pdf" } }]);
  });

  test("a text is told as one", async () => {
    const parts = [{ type: "text", text: "hello" }];
    expect(await told(inline("file", "text/plain; charset=utf-8"), "openai-chat")).toEqual({ parts, warnings: [] });
  });

  test("sounds of two formats are told", async () => {
    for (const [type, format] of [
      ["audio/mpeg", "mp3"],
      ["audio/x-wav", "wav"],
    ] as const)
      expect((await told(inline("audio", type), "openai-chat")).parts).toMatchObject([{ input_audio: { format } }]);
  });

  test.each<readonly [string, MediaPart]>([
    ["file by url", byUrl("file", "https://files.example/a.pdf")],
    ["a file of type video/mp4", inline("file", "video/mp4")],
    ["audio of type audio/ogg", inline("audio", "audio/ogg")],
  ])("%s is left out with a warning", async (what, part) => {
    expect((await sent("openai-chat", [user(words, part)], "gemini")).body["messages"]).toEqual([
      { role: "user", content: "What is it?" },
    ]);
    expect((await told(part, "openai-chat")).warnings).toEqual(lost("openai-chat", what).warnings);
  });
});

describe("to anthropic-messages", () => {
  const target = "anthropic-messages";
  const image = (type: string) => ({ type: "image", source: { type: "base64", media_type: type, data: "aGk=" } });

  test.each([
    ["data:image/png;charset=utf-8;base64,aGk=", image("image/png")],
    ["data:image/PNG;base64,aGk=", image("image/png")],
    ["data:image/jpg;base64,aGk=", image("image/jpeg")],
    [
      "data:application/pdf;base64,aGk=",
      { type: "document", source: { type: "base64", media_type: "application/pdf", data: "aGk=" } },
    ],
  ])("%s in an image is told by what it holds", async (url, block) => {
    expect(await told(byUrl("image", url), target, "openai-chat")).toEqual({ parts: [block], warnings: [] });
  });

  test("an image in a result is too", async () => {
    const result: Part = {
      type: "tool-result",
      id: "a",
      parts: [inline("image", "image/JPG", "aGk=")],
      isError: false,
    };
    const { body } = await sent(target, [{ role: "tool", parts: [result] }], "openai-chat");
    expect(body["messages"]).toMatchObject([{ content: [{ content: [image("image/jpeg")] }] }]);
  });

  test("an image of another type is left out with a warning", async () => {
    const { body, warnings } = await sent(target, [user(words, inline("image", "image/tiff"))], "gemini");
    expect(body["messages"]).toEqual([{ role: "user", content: "What is it?" }]);
    expect(warnings).toEqual(lost(target, "image of type image/tiff").warnings);
  });
});

describe("a message of which nothing would be left is refused", () => {
  const unknown: Part = { type: "other", extensions: { "openai-chat": { type: "weird" } } };
  const audio = inline("audio", "audio/ogg");
  test.each([
    ["anthropic-messages", [audio]],
    ["openai-responses", [audio]],
    ["anthropic-messages", [unknown]],
    ["openai-responses", [unknown]],
    ["gemini", [unknown]],
    ["anthropic-messages", [unknown, audio, { type: "text", text: " " }]],
  ] as const)("to %s", async (target, parts) => {
    await expect(sent(target, [user(words), user(...parts)], "openai-chat")).rejects.toMatchObject({
      status: 400,
      details: { code: "not_carried" },
    });
  });

  test("and one with a word goes on", async () => {
    const { body } = await sent("anthropic-messages", [user(unknown, words)], "openai-chat");
    expect(body["messages"]).toEqual([{ role: "user", content: "What is it?" }]);
  });
});
