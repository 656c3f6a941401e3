import { expect, test } from "bun:test";
import { countFailure } from "../../core/pipeline/failed-authentications.ts";
import { benches } from "./bench.ts";

const newBench = benches();

test("what counts strangers ends its hold whatever it tells with it, and one without an end counts nobody", async () => {
  let settled = 0;
  const hold = { spared: 5, settle: () => void (settled += 1), release: () => {} };
  for (const returned of [hold, { ...hold, release: undefined }]) {
    const { services } = await newBench({ rateLimit: [{ name: "odd", slot: { acquire: () => returned as never } }] });
    const limit = { scope: { kind: "ip", id: "a" }, measure: "requests", amount: 1 } as const;
    const limits = { ...services.limits, ofAddress: () => [limit] };
    const counted = countFailure(
      new Request("http://gateway.test"),
      { id: "call", timings: {} },
      { ...services, limits },
    );
    expect(await counted).toBeUndefined();
  }
  expect(settled).toBe(1);
});
