import { expect, test } from "bun:test";
import fc from "fast-check";
import { GatewayError } from "llm-proxy/plugin";
import { stopCall } from "../../core/pipeline/call.ts";
import { settle } from "../../core/pipeline/settle.ts";
import { nothingMetered } from "../../core/pipeline/answer.ts";
import { until } from "../support/poll.ts";
import { benches } from "./bench.ts";
import { startStream, type StartedStream, turns } from "./stream-bench.ts";

const newBench = benches();
const mock = {
  dialects: ["openai-chat"],
  request: () => ({ url: "https://example.com/", headers: {}, body: "" }),
} as const;

/** Everything that can happen to a stream, from either side and from within. */
const happenings = {
  say: ({ source }) => source.say("piece"),
  hide: ({ source }) => source.hide(),
  report: ({ source }) => source.report(),
  complete: ({ source }) => source.complete(),
  fault: ({ source }) => source.fault("overloaded"),
  end: ({ source }) => source.end(),
  break: ({ source }) => source.break(new Error("reset")),
  read: ({ reader }) => reader.read(),
  leave: ({ reader }) => reader.cancel(),
  stop: ({ call }) => stopCall(call, new GatewayError("unavailable", "the proxy is shutting down")),
  idle: () => {},
  stalled: () => {},
  silence: () => {},
  pause: () => turns(1),
} satisfies Record<string, (stream: StartedStream) => unknown>;
type Happening = keyof typeof happenings;
const names = Object.keys(happenings) as Happening[];

test("however the ends of a stream race, the call gets exactly one record and no hold stays", async () => {
  const world = await newBench({ providers: { mock }, settings: { disconnectDrainMs: 5 } });
  await world.database.budgets.create({
    id: "budget",
    scope: { kind: "global", id: "global" },
    window: "lifetime",
    limitNano: 1e12,
    createdMs: 0,
  });
  await fc.assert(
    fc.asyncProperty(fc.array(fc.constantFrom(...names), { maxLength: 25, size: "max" }), async (script) => {
      world.finishes.length = 0;
      world.watched.clear();
      const stream = await startStream(world);
      const [watched] = world.watched;
      const begun: Promise<unknown>[] = [];
      for (const name of script) {
        const looked = watched && world.watched.has(watched) ? watched : null;
        if (name === "idle") looked?.onIdle();
        if (name === "stalled") looked?.onStalled();
        if (name === "silence") looked?.onSilence();
        const happened: unknown = happenings[name](stream);
        if (name === "pause") await happened;
        else begun.push(Promise.resolve(happened).catch(() => {}));
      }
      stream.source.end();
      begun.push(stream.reader.cancel().catch(() => {}));
      await Promise.all(begun);
      // A client that leaves while the record is being written does not wait for it.
      await until("the record", async () => (await world.database.calls.openCount()) === 0);
      expect(world.finishes.map(({ callId }) => callId)).toEqual([stream.call.id]);
      expect((await stream.row())?.status).not.toBe("open");
      expect(await world.database.budgets.get("budget")).toMatchObject({ heldNano: 0 });
      expect({
        open: world.services.open.size,
        drains: world.services.drains.size,
        watched: world.watched.size,
      }).toEqual({ open: 0, drains: 0, watched: 0 });
      // Whatever comes later finds the call ended.
      await settle(
        stream.call,
        { status: "ok", httpStatus: 200, target: routeOf(stream), metered: nothingMetered },
        world.services,
      );
      expect(world.finishes).toHaveLength(1);
    }),
    { numRuns: 300 },
  );
  expect((await world.database.prove()).filter(({ ok }) => !ok)).toEqual([]);
}, 30_000);

function routeOf({ call }: StartedStream) {
  if (!call.admitted) throw new Error("the call was not admitted");
  return call.admitted.route.targets[0];
}
