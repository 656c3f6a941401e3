import { describe, expect, test } from "bun:test";
import { passwordQueue } from "../../core/identity/passwords.ts";

/** Works that end when told to. */
function works() {
  const started: (() => void)[] = [];
  return { started, work: () => new Promise<void>((resolve) => started.push(resolve)) };
}
const settled = () => new Promise((resolve) => setImmediate(resolve));

describe("hashes of passwords", () => {
  test("run four at a time, each of those that wait in its turn", async () => {
    const queued = passwordQueue();
    const { started, work } = works();
    const all = Array.from({ length: 10 }, () => queued(work));
    await settled();
    expect(started).toHaveLength(4);
    for (let ended = 0; ended < 10; ended++) {
      started[ended]?.();
      await settled();
      expect(started).toHaveLength(Math.min(10, 5 + ended));
    }
    await Promise.all(all);
    const more = queued(async () => "free again");
    expect(await more).toBe("free again");
  });

  test("are refused when too many wait, and one that fails frees its place", async () => {
    const queued = passwordQueue();
    const { started, work } = works();
    const all = Array.from({ length: 4 + 64 }, () => queued(work));
    expect(queued(work)).rejects.toMatchObject({ kind: "unavailable", details: { retryAfterSeconds: 5 } });
    for (let ended = 0; ended < all.length; ended++) {
      await settled();
      started[ended]?.();
    }
    await Promise.all(all);
    for (let round = 0; round < 10; round++)
      expect(queued(() => Promise.reject(new Error("failed")))).rejects.toThrow("failed");
    await settled();
    expect(await queued(async () => "free")).toBe("free");
  });
});
