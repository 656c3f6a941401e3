import { describe, expect, test } from "bun:test";
import { dialects } from "../../core/dialects/index.ts";
import { parseBody, parseExact } from "../../core/dialects/exact-json.ts";
import { spokenStream, spokenWhole, type Turn } from "../support/spoken.ts";

/** More than JavaScript's numbers hold: an id as some services have them, and a fraction. */
const digits = ["12345678901234567890", "9007199254740993", "0.12345678901234567891"];
describe("numbers", () => {
  test("are written out as they were read", () => {
    const text = `{"a":[${digits.join(",")}],"__proto__":{"b":-${digits[0]}},"c":1.5,"d":"${digits[0]}"}`;
    expect(JSON.stringify(parseExact(text))).toBe(text);
    expect(parseExact(digits[0] ?? "")).toBe(Number(digits[0]));
  });

  test.each(["1e400", "-1.5E+309", "1e-400"])("as large or small as %s are written out as they were read", (number) => {
    const text = `{"input":{"n":${number}}}`;
    expect(JSON.stringify(parseExact(text))).toBe(text);
    expect(JSON.stringify(parseBody(text))).toBe(text);
  });

  test("that are no argument can be read", () => {
    const text = `{"seed":${digits[1]},"list":[${digits[0]}],"input":{"id":${digits[0]}}}`;
    const body = parseBody(text);
    expect(body).toMatchObject({ seed: Number(digits[1]), list: [Number(digits[0])] });
    expect(JSON.stringify(body)).toContain(`"input":{"id":${digits[0]}}`);
  });
});

const stand = 123_454_321;
const [id = ""] = digits;
const turn: Turn = { calls: [{ id: "c1", name: "f", args: { id: stand } }], usage: { input: 1, output: 1 } };
const withId = (text: string) => text.replaceAll(String(stand), id);
const textOf = (value: unknown) => JSON.stringify(value);

describe.each([...dialects.keys()])("of a provider that speaks %s", (target) => {
  const spoken = dialects.get(target);
  test.each([...dialects.keys()])("arguments in an answer are exact for %s", (client) => {
    const body = parseBody(withId(spokenWhole(target, turn)));
    // Checked by the codec, which refuses what is no answer.
    const answer = spoken?.decodeResponse(body as Parameters<typeof spoken.decodeResponse>[0]);
    expect(answer && textOf(dialects.get(client)?.encodeResponse(answer))).toContain(id);
  });
});

describe("of Gemini's stream", () => {
  test("arguments are exact", () => {
    const decoder = dialects.get("gemini")?.decodeStream();
    const [frame = ""] = withId(spokenStream("gemini", turn)).split("\r\n\r\n");
    expect(textOf(decoder?.step(frame.replace("data: ", ""), null))).toContain(id);
  });
});

describe("of Anthropic's stream", () => {
  test.each([id, "1e400"])("arguments that come whole with the start of a block are exact: %s", (number) => {
    const decoder = dialects.get("anthropic-messages")?.decodeStream();
    const events = [
      '{"type":"message_start","message":{"id":"a","model":"m","content":[],"usage":{"input_tokens":1,"output_tokens":1}}}',
      `{"type":"content_block_start","index":0,"content_block":{"type":"tool_use","id":"c","name":"f","input":{"n":${number}}}}`,
      '{"type":"content_block_stop","index":0}',
    ].flatMap((data) => decoder?.step(data, null) ?? []);
    expect(events).toContainEqual({ type: "tool-input-delta", candidate: 0, index: 0, text: `{"n":${number}}` });
  });
});

describe.each([...dialects.keys()])("the history of a client that speaks %s", (client) => {
  const args = { id: stand };
  const bodies: Readonly<Record<string, object>> = {
    "openai-chat": {
      messages: [
        { role: "user", content: "x" },
        {
          role: "assistant",
          content: null,
          tool_calls: [{ id: "c1", type: "function", function: { name: "f", arguments: JSON.stringify(args) } }],
        },
        { role: "tool", tool_call_id: "c1", content: JSON.stringify(args) },
      ],
    },
    "openai-responses": {
      input: [
        { role: "user", content: "x" },
        { type: "function_call", call_id: "c1", name: "f", arguments: JSON.stringify(args) },
        { type: "function_call_output", call_id: "c1", output: JSON.stringify(args) },
      ],
    },
    "anthropic-messages": {
      max_tokens: 9,
      messages: [
        { role: "user", content: "x" },
        { role: "assistant", content: [{ type: "tool_use", id: "c1", name: "f", input: args }] },
        { role: "user", content: [{ type: "tool_result", tool_use_id: "c1", content: JSON.stringify(args) }] },
      ],
    },
    gemini: {
      contents: [
        { role: "user", parts: [{ text: "x" }] },
        { role: "model", parts: [{ functionCall: { name: "f", args } }] },
        { role: "user", parts: [{ functionResponse: { name: "f", response: args } }] },
      ],
    },
  };

  test.each([...dialects.keys()])("keeps arguments and results exact for %s", (target) => {
    const body = parseBody(withId(textOf({ model: "m", ...bodies[client] })));
    const spoken = dialects.get(client);
    // Checked by the codec, which refuses what is no request.
    const asked = spoken?.decodeRequest(body as Parameters<typeof spoken.decodeRequest>[0], {
      model: "m",
      stream: false,
    });
    const sent = asked && textOf(dialects.get(target)?.encodeRequest(asked, "m").body);
    expect(sent?.split(id)).toHaveLength(3);
  });
});

describe.each([...dialects.keys()])("schemas of a client that speaks %s", (client) => {
  const limited = { type: "object", properties: { n: { type: "integer", maximum: stand } } };
  const bodies: Readonly<Record<string, object>> = {
    "openai-chat": {
      messages: [{ role: "user", content: "x" }],
      tools: [{ type: "function", function: { name: "f", parameters: limited } }],
      response_format: { type: "json_schema", json_schema: { name: "a", schema: limited } },
    },
    "openai-responses": {
      input: "x",
      tools: [{ type: "function", name: "f", parameters: limited }],
      text: { format: { type: "json_schema", name: "a", schema: limited } },
    },
    "anthropic-messages": {
      max_tokens: 9,
      messages: [{ role: "user", content: "x" }],
      tools: [{ name: "f", input_schema: limited }],
      output_config: { format: { type: "json_schema", schema: limited } },
    },
    gemini: {
      contents: [{ role: "user", parts: [{ text: "x" }] }],
      tools: [{ functionDeclarations: [{ name: "f", parameters: limited }] }],
      generationConfig: { responseMimeType: "application/json", responseSchema: limited },
    },
  };

  test.each([...dialects.keys()])("keep every digit for %s", (target) => {
    const body = parseBody(withId(textOf({ model: "m", ...bodies[client] })));
    const spoken = dialects.get(client);
    // Checked by the codec, which refuses what is no request.
    const asked = spoken?.decodeRequest(body as Parameters<typeof spoken.decodeRequest>[0], {
      model: "m",
      stream: false,
    });
    const sent = asked && textOf(dialects.get(target)?.encodeRequest(asked, "gemini-3-pro").body);
    expect(sent?.split(id)).toHaveLength(3);
  });
});
