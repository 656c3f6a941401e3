import { describe, expect, test } from "bun:test";
import { readConfig } from "../../core/config/read.ts";
import { failureOf } from "./failure.ts";

/** Each broken file, and all that is said about it. */
const cases: readonly { readonly name: string; readonly text: string; readonly says: readonly string[] }[] = [
  {
    name: "which calls targets are there for",
    text: [
      "models:",
      "  a: { targets: [{ target: echo/a, canary: 5 }, { target: echo/b, canary: { percent: 101 } }] }",
      "  b: { targets: [{ target: echo/a, canary: 5, weight: 2 }, { target: echo/b, when: {} }] }",
      "  c: { targets: [{ target: echo/a, when: { headers: { X-Api-Key: a, x-ok: [] } } }] }",
      "  d: { targets: [{ target: echo/a, when: { content: { with: [images], without: [images] } } }] }",
      "  e: { targets: [{ target: echo/a, when: { tokens: { above: 5, upTo: 5 }, operation: chat } }] }",
      "  f: { targets: [echo/a], shadow: { percent: 101 } }",
      "",
    ].join("\n"),
    says: [
      "llm-proxy.yaml:2:86 models.a.targets[1].canary.percent: expected number to be less or equal to 100",
      "llm-proxy.yaml:3:84 models.b.targets[1].when: expected at least one entry",
      "llm-proxy.yaml:4:75 models.c.targets[0].when.headers.x-ok: expected at least one entry",
      'llm-proxy.yaml:6:75 models.e.targets[0].when.operation: unknown key (did you mean "operations"?)',
      "llm-proxy.yaml:7:27 models.f.shadow.target: missing, and it has no default",
      "llm-proxy.yaml:7:46 models.f.shadow.percent: expected number to be less or equal to 100",
    ],
  },
  {
    name: "how their terms fit together",
    text: [
      "models:",
      "  a: { targets: [{ target: echo/a, canary: 5 }, { target: echo/b, canary: { percent: 100 } }] }",
      "  b: { targets: [{ target: echo/a, canary: 5, weight: 2 }, echo/b] }",
      "  c: { targets: [{ target: echo/a, when: { headers: { X-Api-Key: a } } }] }",
      "  d: { targets: [{ target: echo/a, when: { content: { with: [images], without: [images] } } }] }",
      "  e: { targets: [{ target: echo/a, when: { tokens: { above: 5, upTo: 5 } } }] }",
      "  f: { strategy: sticky, targets: [{ target: echo/a, canary: 5 }, { target: echo/b, weight: 0 }] }",
      "  g: { targets: [echo/a], shadow: { target: f } }",
      "  h: { targets: [echo/a], shadow: { target: ehco/a } }",
      "",
    ].join("\n"),
    says: [
      "llm-proxy.yaml:2:6 models.a: every target is a canary, so nobody would take the other calls",
      "llm-proxy.yaml:3:55 models.b.targets[0].weight: a canary has a share of its own, and no weight",
      "llm-proxy.yaml:4:53 models.c.targets[0].when.headers: x-api-key holds a credential, which decides nothing here",
      'llm-proxy.yaml:5:53 models.d.targets[0].when.content: "images" cannot be both with and without',
      "llm-proxy.yaml:6:52 models.e.targets[0].when.tokens: no input is above and up to these",
      "llm-proxy.yaml:7:6 models.f: all weights are 0, so nothing would ever be chosen",
      'llm-proxy.yaml:8:45 models.g.shadow.target: "f" is an alias; a shadow is one target, written instance/model',
      'llm-proxy.yaml:9:45 models.h.shadow.target: no provider instance "ehco" (did you mean "echo"?)',
    ],
  },
  {
    name: "what targets are sent",
    text: [
      "models:",
      "  a: { targets: [{ target: echo/a, drop: [temprature] }] }",
      "  b: { targets: [{ target: echo/a, drop: [] }] }",
      "  c: { targets: [{ target: echo/a, defaults: { temperature: 3, top_p: 1 } }] }",
      "  d: { targets: [{ target: echo/a, defaults: { reasoning: {} } }] }",
      "  e: { targets: [{ target: echo/a, droop: [seed] }] }",
      "prices:",
      "  - { target: echo/*, input: 0, output: 0, lacks: [image] }",
      "",
    ].join("\n"),
    says: [
      'llm-proxy.yaml:2:43 models.a.targets[0].drop[0]: expected "temperature", "topP", "topK", "frequencyPenalty", "presencePenalty", "seed", "stop", "reasoning", "parallelToolCalls", "logprobs", "verbosity", "serviceTier", "user", "metadata" or "cacheKey" (did you mean "temperature"?)',
      "llm-proxy.yaml:3:42 models.b.targets[0].drop: expected at least one entry",
      "llm-proxy.yaml:4:61 models.c.targets[0].defaults.temperature: expected number to be less or equal to 2",
      'llm-proxy.yaml:4:64 models.c.targets[0].defaults.top_p: unknown key (did you mean "topP"?)',
      "llm-proxy.yaml:5:59 models.d.targets[0].defaults.reasoning: expected at least one entry",
      'llm-proxy.yaml:6:36 models.e.targets[0].droop: unknown key (did you mean "drop"?)',
      'llm-proxy.yaml:8:52 prices[0].lacks[0]: expected "images", "audio", "files", "tools", "reasoning" or "structuredOutput" (did you mean "images"?)',
    ],
  },
];

describe("aliases that are broken are refused with every fault and its place", () => {
  test.each(cases)("$name", async ({ text, says }) => {
    expect((await messageOf(text)).split("\n")).toEqual([...says]);
  });
});

const messageOf = (text: string) => failureOf(readConfig({ path: "llm-proxy.yaml", text, env: {} }));
