import { beforeAll, describe, expect, test } from "bun:test";
import { noUsage } from "llm-proxy/plugin";
import { type Api, apis } from "./server.ts";

const newApi = apis();
let api: Api;
beforeAll(async () => {
  api = await newApi();
  const input = { textBytes: 9_000, functionTools: 0, images: 0, audioBytes: 0, unbounded: false };
  const usage = { ...noUsage, inputTokens: 3_000, outputTokens: 0 };
  for (const model of ["b", "a/long name", "c"])
    api.services.ratios.learn(
      { provider: "one", model },
      { input, usage, contentBytes: 0, heldNano: 9, chargeNano: 4 },
    );
});

describe("GET /api/estimates", () => {
  test("lists what was learned, by name, page by page", async () => {
    const seen: string[] = [];
    for (let path: string | null = "/api/estimates?limit=2"; path !== null;) {
      const { body } = await api.admin("GET", path);
      seen.push(...body.data.map(({ model }: { model: string }) => model));
      path = body.next === null ? null : `/api/estimates?limit=2&after=${body.next}`;
    }
    expect(seen).toEqual(["a/long name", "b", "c"]);
  });

  test("of one model", async () => {
    const { body } = await api.admin("GET", "/api/estimates?provider=one&model=b");
    const ratios = { inputBytesPerToken: 3.063, outputBytesPerToken: 4 };
    expect(body).toEqual({
      data: [{ provider: "one", model: "b", ...ratios, heldNano: 9, chargeNano: 4 }],
      next: null,
    });
    expect((await api.admin("GET", "/api/estimates?provider=two")).body.data).toEqual([]);
  });

  test.each(["limit=0", "after=%20", "colour=red"])("?%s is refused", async (query) => {
    expect((await api.admin("GET", `/api/estimates?${query}`)).status).toBe(400);
  });
});
