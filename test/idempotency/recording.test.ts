import { expect, test } from "bun:test";
import fc from "fast-check";
import { Recording } from "../../core/pipeline/recording.ts";

test("a recording is what passed, or nothing; whatever its size, memory is given back", () => {
  fc.assert(
    fc.property(
      fc.array(fc.uint8Array({ maxLength: 3_000 }), { maxLength: 20 }),
      fc.integer({ min: 1, max: 20_000 }),
      fc.integer({ min: 1, max: 20_000 }),
      (pieces, maxBytes, maxRoom) => {
        const room = { bytes: 0, maxBytes: maxRoom };
        const recording = new Recording(maxBytes, room);
        for (const piece of pieces) {
          recording.push(piece);
          expect(room.bytes).toBeLessThanOrEqual(Math.min(maxRoom, maxBytes));
        }
        const all = Buffer.concat(pieces);
        const kept = recording.take();
        // The buffer may be larger than what it holds, but a small answer in an empty room always has its place.
        if (all.length <= maxBytes && Math.max(2 * all.length, 4_096) <= maxRoom) expect(kept?.length).toBe(all.length);
        if (all.length > maxBytes || all.length > maxRoom) expect(kept).toBeNull();
        if (kept) expect(all.equals(kept)).toBe(true);
        expect(room.bytes).toBe(0);
        recording.push(all);
        expect(recording.take()).toBeNull();
        expect(room.bytes).toBe(0);
      },
    ),
  );
});

test("recordings share their room: one that finds none is dropped, the others stay whole", () => {
  const room = { bytes: 0, maxBytes: 10_000 };
  const recordings = Array.from({ length: 5 }, () => new Recording(8_000, room));
  for (const recording of recordings) recording.push(new Uint8Array(4_096));
  expect(room.bytes).toBeLessThanOrEqual(room.maxBytes);
  expect(recordings.map((recording) => recording.take()?.length ?? null)).toEqual([4_096, 4_096, null, null, null]);
  expect(room.bytes).toBe(0);
});
