import { describe, expect, test } from "bun:test";
import { codecOf } from "../../core/dialects/codec.ts";
import { dialects } from "../../core/dialects/index.ts";
import type { DialectName } from "../../core/dialects/dialect.ts";
import { relay } from "../../core/pipeline/relay.ts";
import { spokenStream, withoutUsage } from "../support/spoken.ts";
import { nextOf } from "../../core/runtime/upstream-response.ts";

/** How a relayed stream ends whose upstream breaks off when all of the answer was there. */

const turn = { text: "all of it", usage: { input: 10, output: 3 } };

/** What the client gets of `text`, and then the end, or a reset. */
async function relayed(name: DialectName, text: string | readonly string[], resets: boolean): Promise<string> {
  const dialect = dialects.get(name);
  const codec = dialect && codecOf(dialect, "chat");
  if (!dialect || !codec) throw new Error(`no ${name}`);
  const pieces = [text].flat().map((piece) => new TextEncoder().encode(piece));
  const next = () => {
    const piece = pieces.shift();
    if (piece === undefined && resets) throw new Error("reset");
    return piece ?? null;
  };
  const answer = relay({ kind: "events", framing: "sse", pieces: { next } }, dialect, {
    codec,
    hideUsage: false,
    secrets: [],
  });
  if (answer.kind !== "stream") throw new Error("no stream");
  let told = "";
  for (let bytes = await nextOf(answer.source); bytes !== null; bytes = await nextOf(answer.source))
    told += new TextDecoder().decode(bytes);
  return told;
}

describe("the last event of a protocol", () => {
  for (const [name, last] of [
    ["openai-chat", "data: [DONE]\n\n"],
    ["anthropic-messages", 'event: message_stop\ndata: {"type":"message_stop"}\n\n'],
  ] as const) {
    const whole = spokenStream(name, turn);
    const withoutLast = whole.slice(0, whole.lastIndexOf(last.slice(0, 10)));

    test(`${name}: is supplied where the connection broke before it, even inside it`, async () => {
      expect(whole).toBe(withoutLast + last);
      expect(await relayed(name, withoutLast, true)).toBe(whole);
      expect(await relayed(name, `${withoutLast}${last.slice(0, -4)}`, true)).toBe(whole);
      expect(await relayed(name, [withoutLast, `data: ${"x".repeat(6_000_000)}`], false)).toBe(whole);
    });

    test(`${name}: is not sent twice`, async () => {
      for (const resets of [true, false]) {
        expect(await relayed(name, whole, resets)).toBe(whole);
        expect(await relayed(name, `${whole}: a comment\n\n`, resets)).toBe(`${whole}: a comment\n\n`);
      }
    });
  }

  test("of Anthropic is supplied also where the end looks like a good one; OpenAI's is not, as vendors leave it out", async () => {
    const [anthropic, openai] = [spokenStream("anthropic-messages", turn), spokenStream("openai-chat", turn)];
    expect(
      await relayed("anthropic-messages", anthropic.slice(0, anthropic.indexOf("event: message_stop")), false),
    ).toBe(anthropic);
    const without = openai.slice(0, openai.indexOf("data: [DONE]"));
    expect(await relayed("openai-chat", without, false)).toBe(without);
  });
});

test.each(["openai-chat", "openai-responses", "anthropic-messages"] as const)(
  "%s: nothing follows the last event, not even the usage that never came, so what breaks after it is whole",
  async (name) => {
    const whole = withoutUsage(spokenStream(name, turn));
    expect(whole).not.toContain('"usage"');
    expect(await relayed(name, whole, true)).toBe(whole);
    const lastAt = whole.lastIndexOf("\n\n", whole.length - 3) + 2;
    await expect(relayed(name, whole.slice(0, lastAt), true)).rejects.toThrow("reset");
  },
);

test("half an event is never passed on", async () => {
  const whole = spokenStream("openai-chat", turn);
  const usageAt = whole.indexOf("data: ", whole.indexOf('"finish_reason":"stop"'));
  const cut = whole.slice(0, usageAt + 60);
  expect(await relayed("openai-chat", cut, false)).toBe(`${whole.slice(0, usageAt)}data: [DONE]\n\n`);
});

test("an answer that was not whole yet is none", async () => {
  const whole = spokenStream("anthropic-messages", turn);
  const cut = whole.slice(0, whole.indexOf("event: message_delta"));
  await expect(relayed("anthropic-messages", cut, true)).rejects.toThrow("reset");
  expect(await relayed("anthropic-messages", cut, false)).toBe(cut);
});
