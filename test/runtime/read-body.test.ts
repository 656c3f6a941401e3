import { expect, test } from "bun:test";
import { readBody } from "../../core/runtime/read-body.ts";

/** With chunks as a client sends them, each there when the one before was taken; `null` is the end. */
function requestOf(next: () => Uint8Array | null): Request {
  const body = new ReadableStream<Uint8Array>({
    pull(controller) {
      const chunk = next();
      if (chunk) controller.enqueue(chunk);
      else controller.close();
    },
  });
  return new Request("http://localhost/", { method: "POST", body });
}

test("a body in very many chunks leaves others their turn", async () => {
  let hasTurned = false;
  setImmediate(() => (hasTurned = true));
  let chunks = 0;
  const drip = () => (hasTurned || ++chunks === 3_000_000 ? null : Uint8Array.of(0x20));
  const bytes = await readBody(requestOf(drip), Number.MAX_SAFE_INTEGER);
  expect(hasTurned).toBe(true);
  expect(bytes?.byteLength).toBe(chunks);
});

test("what is held is what has come, and no more is read than may be", async () => {
  const held: number[] = [];
  let chunks = 0;
  const endless = () => {
    chunks += 1;
    return new Uint8Array(1_000);
  };
  expect(await readBody(requestOf(endless), 4_500, (bytes) => held.push(bytes))).toBeNull();
  expect(held).toEqual([1_000, 1_000, 1_000, 1_000]);
  expect(chunks).toBeLessThan(10);
});
