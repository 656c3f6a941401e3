import { describe, expect, test } from "bun:test";
import { batched } from "../../../plugins/observer/batched.ts";

/** A stream whose reader reads only when told. */
function slowStream() {
  const texts: string[] = [];
  const waiting: (() => void)[] = [];
  return {
    texts,
    write(text: string, written: () => void) {
      texts.push(text);
      waiting.push(written);
    },
    read: () => waiting.splice(0).forEach((written) => written()),
  };
}
const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

describe("batched", () => {
  test("the lines of one turn are one write, in order", async () => {
    const stream = slowStream();
    const lines = batched(stream, () => {});
    lines.write("a\n");
    lines.write("b\n");
    await turn();
    lines.write("c\n");
    await turn();
    expect(stream.texts).toEqual(["a\nb\n", "c\n"]);
  });

  test("a slow reader costs lines, not memory, and they are counted", async () => {
    const stream = slowStream();
    const dropped: number[] = [];
    const lines = batched(stream, (count) => void dropped.push(count));
    const line = `${"x".repeat(1_048_575)}\n`;
    for (let index = 0; index < 20; index++) {
      lines.write(line);
      await turn();
    }
    expect(stream.texts.join("").length).toBeLessThanOrEqual(9 * 1_048_576);
    stream.read();
    expect(dropped).toEqual([20 - stream.texts.length]);
    lines.write("after\n");
    await turn();
    expect(stream.texts.at(-1)).toBe("after\n");
  });

  test("close hands over what is left and waits for it", async () => {
    const stream = slowStream();
    const lines = batched(stream, () => {});
    let closed = false;
    lines.write("last\n");
    const closing = lines.close().then(() => (closed = true));
    await turn();
    expect(stream.texts[0]).toBe("last\n");
    expect(closed).toBe(false);
    stream.read();
    await closing;
  });
});
