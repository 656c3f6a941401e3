import { expect, test } from "bun:test";
import fc from "fast-check";
import { ReceivedFrame } from "../../core/dialects/received-frame.ts";
import { SseSplitter } from "../../core/dialects/sse.ts";

const bytesOf = (text: string) => new TextEncoder().encode(text);
const textOf = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

const anEvent = fc.record({ text: fc.string({ unit: "binary", maxLength: 12 }), isShown: fc.boolean() });
const frameOf = (text: string) => `data: ${JSON.stringify(text)}\n\n`;

test("what is shown is in order and whole, whatever is hidden between and wherever the chunks end", () => {
  fc.assert(
    fc.property(fc.array(anEvent, { maxLength: 12 }), fc.array(fc.nat(400), { maxLength: 8 }), (events, cuts) => {
      const bytes = bytesOf(events.map(({ text }) => frameOf(text)).join(""));
      const ends = [...cuts.filter((cut) => cut < bytes.length).toSorted((a, b) => a - b), bytes.length];
      const splitter = new SseSplitter();
      let at = 0;
      let from = 0;
      let passed = "";
      for (const end of ends) {
        // A copy, as each piece of the network is memory of its own.
        const frames = splitter.push(bytes.slice(from, end));
        for (const frame of frames) frame.isShown = events[at++]?.isShown ?? true;
        passed += textOf(ReceivedFrame.shownOf(frames));
        from = end;
      }
      expect(at).toBe(events.length);
      expect(passed).toBe(events.map(({ text, isShown }) => (isShown ? frameOf(text) : "")).join(""));
    }),
  );
});

test("a chunk that is all shown is passed on as it is, without a copy", () => {
  const chunk = bytesOf(frameOf("a") + frameOf("b"));
  expect(ReceivedFrame.shownOf(new SseSplitter().push(chunk))).toBe(chunk);
  const cut = bytesOf(`${frameOf("a")}data: `);
  expect(ReceivedFrame.shownOf(new SseSplitter().push(cut)).buffer).toBe(cut.buffer);
  expect(ReceivedFrame.shownOf([])).toHaveLength(0);
});
