import { describe, expect, test } from "bun:test";
import { modelShapes } from "../../core/api/model-lists.ts";

const models = ["a", "b/c", "d", "e:f", "g"].map((id) => ({ id, ownedBy: "mock" }));
const list = (dialect: keyof typeof modelShapes, query = "") =>
  modelShapes[dialect].list(models, new URLSearchParams(query));

test("OpenAI's list is whole", () => {
  expect(list("openai-chat", "limit=1")).toEqual({
    object: "list",
    data: models.map(({ id }) => ({ id, object: "model", created: 0, owned_by: "mock" })),
  });
});

describe("Anthropic's list", () => {
  const page = (query: string) => {
    const { data, ...rest } = list("anthropic-messages", query) as {
      data: { id: string }[];
      has_more: boolean;
      first_id: string | null;
      last_id: string | null;
    };
    return { ids: data.map(({ id }) => id), ...rest };
  };

  test.each([
    ["", ["a", "b/c", "d", "e:f", "g"], false],
    ["limit=2", ["a", "b/c"], true],
    ["limit=5", ["a", "b/c", "d", "e:f", "g"], false],
    ["limit=2&after_id=b/c", ["d", "e:f"], true],
    ["limit=2&after_id=d", ["e:f", "g"], false],
    ["after_id=g", [], false],
    ["limit=2&before_id=e:f", ["b/c", "d"], true],
    ["limit=2&before_id=d", ["a", "b/c"], false],
    ["limit=2&before_id=a", [], false],
    ["beta=true&other=1", ["a", "b/c", "d", "e:f", "g"], false],
  ])("page %j is %j, more: %p", (query, ids, more) => {
    expect(page(query)).toEqual({ ids, has_more: more, first_id: ids[0] ?? null, last_id: ids.at(-1) ?? null });
  });

  test("an entry has what the SDK's type promises", () => {
    expect(modelShapes["anthropic-messages"].entry({ id: "b/c", ownedBy: "mock" })).toEqual({
      type: "model",
      id: "b/c",
      display_name: "b/c",
      created_at: "1970-01-01T00:00:00Z",
      max_input_tokens: null,
      max_tokens: null,
      capabilities: null,
    });
  });
});

describe("Gemini's list", () => {
  const page = (query: string) => {
    const found = list("gemini", query) as { models: { name: string }[]; nextPageToken?: string };
    return [found.models.map(({ name }) => name.replace("models/", "")), found.nextPageToken];
  };

  test.each([
    ["", ["a", "b/c", "d", "e:f", "g"], undefined],
    ["pageSize=2", ["a", "b/c"], "b/c"],
    ["pageSize=2&pageToken=b%2Fc", ["d", "e:f"], "e:f"],
    ["pageSize=2&pageToken=e:f", ["g"], undefined],
    ["pageToken=g", [], undefined],
  ])("page %j is %j, next: %p", (query, ids, next) => expect(page(query)).toEqual([ids, next]));

  test("a name can be asked for in a path", () => {
    expect(modelShapes.gemini.entry({ id: "b/c", ownedBy: "mock" })).toMatchObject({
      name: "models/b/c",
      supportedGenerationMethods: expect.arrayContaining(["generateContent", "embedContent"]),
    });
  });
});

test.each([
  ["anthropic-messages", "limit=0", "limit"],
  ["anthropic-messages", "limit=1001", "limit"],
  ["anthropic-messages", "limit=x", "limit"],
  ["anthropic-messages", "after_id=nobody", "after_id"],
  ["anthropic-messages", "before_id=nobody", "before_id"],
  ["gemini", "pageSize=-1", "pageSize"],
  ["gemini", "pageToken=nobody", "pageToken"],
] as const)("%s refuses %j and names %s", (dialect, query, param) => {
  expect(() => list(dialect, query)).toThrow(expect.objectContaining({ kind: "invalid-request", details: { param } }));
});
