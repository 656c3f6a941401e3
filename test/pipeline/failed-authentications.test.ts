import { afterEach, expect, jest, test } from "bun:test";
import type { Hold } from "llm-proxy/plugin";
import { countFailure } from "../../core/pipeline/failed-authentications.ts";
import type { Services } from "../../core/pipeline/services.ts";
import { benches } from "./bench.ts";

const newBench = benches();
afterEach(() => void jest.useRealTimers());

test("what counts strangers ends its hold whatever it tells with it, and one without an end counts nobody", async () => {
  let settled = 0;
  const hold = { spared: 5, settle: () => void (settled += 1), release: () => {} };
  for (const returned of [hold, { ...hold, release: undefined }]) {
    const { services } = await newBench({ rateLimit: [{ name: "odd", slot: { acquire: () => returned as never } }] });
    expect(await counted(services)).toBeUndefined();
  }
  expect(settled).toBe(1);
});

test("what it grants a stranger too late is given back, as nobody was counted", async () => {
  const late = Promise.withResolvers<Hold>();
  const slot = { acquire: () => late.promise };
  const { services } = await newBench({ rateLimit: [{ name: "slow", slot }] });
  jest.useFakeTimers();
  const counting = counted(services);
  await Promise.resolve();
  jest.advanceTimersByTime(5_000);
  expect(await counting).toBeUndefined();
  const ended: string[] = [];
  const isOver = Promise.withResolvers<void>();
  const end = (how: string) => () => {
    ended.push(how);
    isOver.resolve();
  };
  late.resolve({ settle: end("settled"), release: end("released") });
  await isOver.promise;
  expect(ended).toEqual(["released"]);
});

function counted(services: Services): Promise<void> {
  const limit = { scope: { kind: "ip", id: "a" }, measure: "requests", amount: 1 } as const;
  const limits = { ...services.limits, ofAddress: () => [limit] };
  return countFailure(new Request("http://gateway.test"), { id: "call", timings: {} }, { ...services, limits });
}
