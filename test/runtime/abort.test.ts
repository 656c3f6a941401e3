import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { Abort, type Interrupt } from "../../core/runtime/abort.ts";

type Deed = "abort" | "add function" | "add object" | "remove function" | "remove object";

describe("an abort of ours", () => {
  test("tells whoever listens what the runtime's own would tell, once and with the first reason", () => {
    const deeds = fc.array(
      fc.constantFrom<Deed>("abort", "add function", "add object", "remove function", "remove object"),
      { maxLength: 12 },
    );
    fc.assert(
      fc.property(deeds, (all) => {
        const [ours, native] = [new Abort(), new AbortController()];
        expect(heard(all, ours, (reason) => ours.abort(reason))).toEqual(
          heard(all, native.signal, (reason) => native.abort(reason)),
        );
        expect([ours.aborted, ours.reason]).toEqual([native.signal.aborted, native.signal.reason]);
      }),
    );
  });

  test("has a native signal for who asks, before it is aborted or after", () => {
    const before = new Abort();
    const { signal } = before;
    expect(signal.aborted).toBe(false);
    before.abort("left");
    expect([signal.aborted, signal.reason]).toEqual([true, "left"]);
    expect(before.signal).toBe(signal);
    const after = new Abort();
    after.abort("late");
    expect([after.signal.aborted, after.signal.reason]).toEqual([true, "late"]);
  });
});

/** Each listener is added once at most: where it is twice, the runtime's own keeps one. */
function heard(deeds: readonly Deed[], interrupt: Interrupt, abort: (reason: string) => void): readonly string[] {
  const told: string[] = [];
  const listeners = {
    function: () => void told.push("function"),
    object: { handleEvent: () => void told.push("object") },
  };
  const added = new Set<string>();
  for (const [at, deed] of deeds.entries()) {
    const [verb, which] = deed.split(" ") as [string, ("function" | "object")?];
    if (which === undefined) abort(`reason ${at}`);
    else if (verb === "remove") {
      interrupt.removeEventListener("abort", listeners[which]);
      added.delete(which);
    } else if (!added.has(which)) {
      interrupt.addEventListener("abort", listeners[which]);
      added.add(which);
    }
  }
  return told;
}
