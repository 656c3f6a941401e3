import { expect, test } from "bun:test";
import { providerKeys } from "../../views/provider-keys.ts";

const pageOf = (refusedWith: number | null) =>
  String(
    providerKeys({
      provider: {
        name: "openai",
        plugin: "openai",
        host: null,
        dialects: null,
        models: null,
        fileKey: null,
        takesKeys: true,
        credentials: [
          {
            id: "one",
            name: "one",
            masked: "***abcd",
            weight: 1,
            enabled: true,
            state: "resting",
            restsUntilMs: 5,
            refusedWith,
            requests: 1,
            changedMs: 5,
          },
        ],
      },
      making: { values: { name: "", weight: "1" }, error: null },
      changing: [],
      csrf: null,
    }),
  );

test("a key that rests says what it was refused with, or that it failed", () => {
  expect(pageOf(429)).toContain("answered 429, until");
  expect(pageOf(null)).toContain("failed too often, until");
});
