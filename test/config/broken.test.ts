import { describe, expect, test } from "bun:test";
import { readConfig } from "../../core/config/read.ts";
import { failureOf } from "./failure.ts";

/** Each broken file, and all that is said about it. */
const cases: readonly { readonly name: string; readonly text: string; readonly says: readonly string[] }[] = [
  {
    name: "unknown key with a near name",
    text: "server:\n  prot: 1\n",
    says: ['llm-proxy.yaml:2:3 server.prot: unknown key (did you mean "port"?)'],
  },
  {
    name: "unknown section",
    text: "provdier: {}\n",
    says: ['llm-proxy.yaml:1:1 provdier: unknown key (did you mean "provider"?)'],
  },
  {
    name: "section that waits for a later release, misspelt",
    text: "budegt: {}\n",
    says: ['llm-proxy.yaml:1:1 budegt: unknown key (did you mean "budgets"?)'],
  },
  {
    name: "wrong nesting",
    text: "port: 80\n",
    says: ['llm-proxy.yaml:1:1 port: unknown key (it belongs under "server")'],
  },
  {
    name: "sections that are made through the API",
    text: "accounts: []\nkeys: {}\nbudgets: 3\n",
    says: [
      "llm-proxy.yaml:1:1 accounts: made through the API for now, not in the file",
      "llm-proxy.yaml:3:1 budgets: made through the API for now (POST /api/budgets), not in the file",
    ],
  },
  {
    name: "every wrong type at once, with BOM and CRLF",
    text: '\uFEFFserver:\r\n  port: abc\r\n  maxBodyBytes: "10"\r\n  logLevel: inof\r\n  timeouts: { idleMs: 0, drainMs: .nan }\r\n',
    says: [
      "llm-proxy.yaml:2:9 server.port: expected integer",
      "llm-proxy.yaml:3:17 server.maxBodyBytes: expected integer",
      'llm-proxy.yaml:4:13 server.logLevel: expected "debug", "info", "warn" or "error" (did you mean "info"?)',
      "llm-proxy.yaml:5:23 server.timeouts.idleMs: expected integer to be greater or equal to 1",
      "llm-proxy.yaml:5:35 server.timeouts.drainMs: expected integer",
    ],
  },
  {
    name: "port out of range",
    text: "server: { port: 65536 }\n",
    says: ["llm-proxy.yaml:1:17 server.port: expected integer to be less or equal to 65535"],
  },
  {
    name: "timer that would fire at once",
    text: "server: { timeouts: { firstByteMs: 2147483648 } }\n",
    says: ["llm-proxy.yaml:1:36 server.timeouts.firstByteMs: expected integer to be less or equal to 2147483647"],
  },
  {
    name: "timeouts for what is not there",
    text: `server:
  timeouts:
    providers: { ehco: { idleMs: 5 } }
    models: { fst: { idleMs: 5 }, echo/any*: { idleMs: 5 } }
  breaker: { providers: { echo: { consecutive: 3 }, eco: {} } }
  bulkhead: { providers: { ech: {} } }
models: { fast: [echo/echo] }\n`,
    says: [
      'llm-proxy.yaml:3:18 server.timeouts.providers.ehco: no provider instance "ehco" (did you mean "echo"?)',
      'llm-proxy.yaml:4:15 server.timeouts.models.fst: "fst" is no alias and no target of a provider (did you mean "fast"?)',
      'llm-proxy.yaml:5:53 server.breaker.providers.eco: no provider instance "eco" (did you mean "echo"?)',
      'llm-proxy.yaml:6:28 server.bulkhead.providers.ech: no provider instance "ech" (did you mean "echo"?)',
    ],
  },
  {
    name: "URL without a scheme",
    text: "server: { publicUrl: example.com }\n",
    says: [
      "llm-proxy.yaml:1:22 server.publicUrl: expected a URL that starts with http:// or https://, without credentials, query or fragment",
    ],
  },
  {
    name: "URL that no browser takes",
    text: "server: { publicUrl: 'http://a:99999' }\n",
    says: ["llm-proxy.yaml:1:22 server.publicUrl: expected a URL with a valid host and port"],
  },
  {
    name: "section that is no map",
    text: "provider: [openai]\nobserver:\n",
    says: [
      "llm-proxy.yaml:1:11 provider: expected a map of instances: {} for none, or leave the section out for its default",
      "llm-proxy.yaml:2:10 observer: expected a map of instances: {} for none, or leave the section out for its default",
    ],
  },
  {
    name: "instance name that could not begin a model name",
    text: "provider:\n  a/b: {}\n",
    says: [
      "llm-proxy.yaml:2:3 provider.a/b: expected a name of at most 64 letters, digits, `.`, `_` and `-`, a letter first",
    ],
  },
  {
    name: "two stores, two billers",
    text: "storage: { sqlite: {}, other: {} }\nbilling: { ledger: {}, other: {} }\n",
    says: [
      "llm-proxy.yaml:1:1 storage: expected exactly one instance, found sqlite, other",
      "llm-proxy.yaml:2:1 billing: expected at most one instance, found ledger, other",
    ],
  },
  {
    name: "no store",
    text: "storage: {}\n",
    says: ["llm-proxy.yaml:1:1 storage: expected exactly one instance, found none"],
  },
  {
    name: "duplicate keys",
    text: "server: { port: 1 }\nprovider:\n  echo: {}\n  echo: {}\nserver: {}\n",
    says: [
      "llm-proxy.yaml:4:3 provider.echo: duplicate key, first on line 3",
      "llm-proxy.yaml:5:1 server: duplicate key, first on line 1",
    ],
  },
  {
    name: "no map at all",
    text: "- server\n",
    says: ["llm-proxy.yaml: expected a map of sections, such as server: and provider:"],
  },
  {
    name: "two documents",
    text: "server: {}\n---\nserver: {}\n",
    says: ["llm-proxy.yaml:2:1: a second document begins here; a config is one"],
  },
  {
    name: "reference without quotes in braces",
    text: "provider:\n  openai: { apiKey: ${KEY} }\n",
    says: ['llm-proxy.yaml:2:22: unexpected flow-map-start at node end; between { } and [ ] write "${NAME}" in quotes'],
  },
  {
    name: "alias without anchor",
    text: "provider: { echo: *nothing }\n",
    says: ['llm-proxy.yaml:1:19 provider.echo: no anchor "&nothing" before this alias'],
  },
  {
    name: "anchor inside itself",
    text: "provider: { echo: &a { x: *a } }\n",
    says: ['llm-proxy.yaml:1:27 provider.echo.x: no anchor "&a" before this alias'],
  },
  {
    name: "key of an object's prototype",
    text: "provider: { __proto__: {} }\n",
    says: ['llm-proxy.yaml:1:13 provider: unknown key "__proto__"'],
  },
  {
    name: "number that would be rounded",
    text: "provider: { a: { use: x, id: 9007199254740993 } }\n",
    says: ["llm-proxy.yaml:1:30 provider.a.id: more digits than a number keeps; write it in quotes"],
  },
  {
    name: "aliases in circles",
    text: "models:\n  a: [b]\n  b: [c]\n  c: [a]\n  self: [self]\n",
    says: [
      "llm-proxy.yaml:2:3 models.a: goes round in a circle: a → b → c → a",
      "llm-proxy.yaml:5:3 models.self: goes round in a circle: self → self",
    ],
  },
  {
    name: "targets that do not exist",
    text: "models:\n  fast: [ehco/echo, fats, echo/]\n  smart: { targets: [{ target: nobody/x }] }\n",
    says: [
      'llm-proxy.yaml:2:10 models.fast[0]: no provider instance "ehco" (did you mean "echo"?)',
      'llm-proxy.yaml:2:21 models.fast[1]: "fats" is no alias; a target is written instance/model (did you mean "fast"?)',
      'llm-proxy.yaml:2:27 models.fast[2]: the model is missing after "echo/"',
      'llm-proxy.yaml:3:22 models.smart.targets[0]: no provider instance "nobody"',
    ],
  },
  {
    name: "alias that hides a real model; target listed twice",
    text: [
      "models:",
      "  echo/echo: [echo/slow]",
      "  two: [echo/echo, echo/slow, echo/slow]",
      "  apart: { targets: [{ target: echo/a, when: { tokens: { upTo: 9 } } }, { target: echo/a, canary: 5 }, echo/a] }",
      "  same:",
      "    targets:",
      "      - { target: echo/a, when: { headers: { X-A: a, x-b: b } } }",
      "      - { target: echo/a, when: { headers: { x-b: b, x-a: [a] } }, defaults: { seed: 1 } }",
      "      - { target: echo/b, canary: 5 }",
      "      - { target: echo/b, canary: { percent: 5, by: caller } }",
      "      - { target: echo/a, drop: [seed] }",
      "      - { target: echo/a, drop: [topP] }",
      "",
    ].join("\n"),
    says: [
      'llm-proxy.yaml:2:3 models.echo/echo: hides models of provider "echo": an alias cannot begin with "echo/"',
      'llm-proxy.yaml:3:31 models.two[2]: "echo/slow" is listed twice',
      'llm-proxy.yaml:8:9 models.same.targets[1]: "echo/a" is listed twice for the same calls',
      'llm-proxy.yaml:10:9 models.same.targets[3]: "echo/b" is listed twice for the same calls',
      'llm-proxy.yaml:12:9 models.same.targets[5]: "echo/a" is listed twice',
    ],
  },
  {
    name: "forms of an alias",
    text: "models:\n  none: []\n  text: echo/echo\n  weigh: { strategy: wieghted, targets: [{ target: echo/a, weight: -1 }] }\n",
    says: [
      "llm-proxy.yaml:2:9 models.none: expected at least one entry",
      "llm-proxy.yaml:3:9 models.text: expected array or object",
      'llm-proxy.yaml:4:22 models.weigh.strategy: expected "ordered", "weighted", "sticky", "least-busy", "lowest-latency" or "cheapest" (did you mean "weighted"?)',
      "llm-proxy.yaml:4:68 models.weigh.targets[0].weight: expected number to be greater or equal to 0",
    ],
  },
  {
    name: "weights that choose nothing",
    text: "models: { w: { strategy: weighted, targets: [{ target: echo/a, weight: 0 }] } }\n",
    says: ["llm-proxy.yaml:1:14 models.w: all weights are 0, so nothing would ever be chosen"],
  },
  {
    name: "prices",
    text: `prices:
  - { target: echo/a, input: -1, output: .inf }
  - { target: echo, input: 1e-7, output: "1.5e3" }
  - { target: echo/b, output: 1 }
  - { target: echo/c, input: 2000000, output: 1, input_audio: 3 }
`,
    says: [
      "llm-proxy.yaml:2:30 prices[0].input: expected number to be greater or equal to 0",
      "llm-proxy.yaml:2:42 prices[0].output: expected a number or decimal ≥ 0",
      "llm-proxy.yaml:3:15 prices[1].target: expected `instance/model`, or `instance/` and `*` for any rest",
      "llm-proxy.yaml:3:42 prices[1].output: expected a decimal ≥ 0, with at most 7 digits before the point and 18 behind it",
      "llm-proxy.yaml:4:5 prices[2].input: missing, and it has no default",
      "llm-proxy.yaml:5:30 prices[3].input: expected number to be less or equal to 1000000",
      'llm-proxy.yaml:5:50 prices[3].input_audio: unknown key (did you mean "inputAudio"?)',
    ],
  },
  {
    name: "prices of nobody, and twice",
    text: "prices:\n  - { target: ecko/*, input: 1, output: 1 }\n  - { target: echo/*, input: 1, output: 1 }\n  - { target: echo/*, input: 2, output: 1 }\n",
    says: [
      'llm-proxy.yaml:2:15 prices[0].target: no provider instance "ecko" (did you mean "echo"?)',
      'llm-proxy.yaml:4:15 prices[2].target: "echo/*" has a price already, in prices[1]',
    ],
  },
  {
    name: "limits that say nothing, or too much",
    text: "limits:\n  - { scope: { kind: key } }\n  - { scope: { kind: ip }, tokensPerDay: 5 }\n  - { scope: { kind: global, id: x }, concurrency: 5 }\n  - { scope: { kind: provider, id: ecko }, concurrency: 5 }\n",
    says: [
      "llm-proxy.yaml:2:5 limits[0]: names no limit, such as requestsPerMinute",
      "llm-proxy.yaml:3:42 limits[1].tokensPerDay: not for ip: it counts requests only",
      "llm-proxy.yaml:4:34 limits[2].scope.id: not for global: there is one",
      'llm-proxy.yaml:5:36 limits[3].scope.id: no provider instance "ecko" (did you mean "echo"?)',
    ],
  },
  {
    name: "limits that are none",
    text: "limits:\n  - { scope: { kind: key }, requestsPerMinut: 5, usdPerDay: 0, concurrency: 1.5 }\n",
    says: [
      'llm-proxy.yaml:2:29 limits[0].requestsPerMinut: unknown key (did you mean "requestsPerMinute"?)',
      "llm-proxy.yaml:2:61 limits[0].usdPerDay: expected number to be greater than 0",
      "llm-proxy.yaml:2:77 limits[0].concurrency: expected integer",
    ],
  },
  {
    name: "limits that nothing keeps",
    text: "rate-limit: {}\nlimits: [{ scope: { kind: key }, concurrency: 5 }]\n",
    says: ["llm-proxy.yaml:2:1 limits: no rate-limit plugin is configured, so nothing keeps them"],
  },
  {
    name: "a proxy that is no network",
    text: "server: { trustedProxies: [10.0.0.0/8, 10.0.0.0/33, proxy.example] }\n",
    says: [
      "llm-proxy.yaml:1:40 server.trustedProxies[1]: expected an address or a network, as 10.0.0.0/8",
      "llm-proxy.yaml:1:53 server.trustedProxies[2]: expected an address or a network, as 10.0.0.0/8",
    ],
  },
  {
    name: "something to allow that is neither a network nor a name",
    text: "server: { egress: { allow: [10.0.0.0/8, '*.corp.example', vault, 'http://x.example', 300.1.1.1, '*'] } }\n",
    says: [
      "llm-proxy.yaml:1:66 server.egress.allow[3]: expected a network as 10.0.0.0/8, an address, a host name, or *. with one",
      "llm-proxy.yaml:1:86 server.egress.allow[4]: expected a network as 10.0.0.0/8, an address, a host name, or *. with one",
      "llm-proxy.yaml:1:97 server.egress.allow[5]: expected a network as 10.0.0.0/8, an address, a host name, or *. with one",
    ],
  },
  {
    name: "a key that is too short to be one",
    text: "keys: { short: { key: secret } }\n",
    says: ["llm-proxy.yaml:1:23 keys.short.key: expected string length greater or equal to 20"],
  },
  {
    name: "keys that fit the schema and cannot be made",
    text: [
      "keys:",
      "  both: { key: a-key-of-twenty-characters, sha256: " + "a".repeat(64) + " }",
      "  none: {}",
      "  net: { key: a-key-of-twenty-characters, cidrs: [everywhere] }",
      "  day: { key: a-key-of-twenty-characters, expiresAt: 2027-13-40 }",
      "  feb: { key: a-key-of-twenty-characters, expiresAt: 2026-02-30 }",
      "  sun: { key: a-key-of-twenty-characters, expiresAt: 2027-02-29T18:00Z }",
      "  leap: { key: another-of-twenty-characters, expiresAt: 2028-02-29T18:00Z }",
      "",
    ].join("\n"),
    says: [
      "llm-proxy.yaml:2:9 keys.both: expected either key or sha256",
      "llm-proxy.yaml:3:9 keys.none: expected either key or sha256",
      "llm-proxy.yaml:4:51 keys.net.cidrs[0]: expected a network, as 10.0.0.0/8",
      "llm-proxy.yaml:5:54 keys.day.expiresAt: there is no such day",
      "llm-proxy.yaml:6:54 keys.feb.expiresAt: there is no such day",
      "llm-proxy.yaml:7:54 keys.sun.expiresAt: there is no such day",
    ],
  },
  {
    name: "a fault in one section does not hide those of another",
    text: "server: { port: x }\nmodels: { a: [a] }\n",
    says: [
      "llm-proxy.yaml:1:17 server.port: expected integer",
      "llm-proxy.yaml:2:11 models.a: goes round in a circle: a → a",
    ],
  },
  {
    name: "bad providers do not make every target bad",
    text: "provider: 3\nmodels: { a: [openai/x] }\n",
    says: [
      "llm-proxy.yaml:1:11 provider: expected a map of instances: {} for none, or leave the section out for its default",
    ],
  },
];

describe("a broken file is refused with every fault and its place", () => {
  test.each(cases)("$name", async ({ text, says }) => {
    expect((await messageOf(text)).split("\n")).toEqual([...says]);
  });

  test("a long chain of aliases", async () => {
    const chain = (length: number) =>
      `models:\n${Array.from({ length }, (_, index) => `  a${index}: [${index + 1 === length ? "echo/echo" : `a${index + 1}`}]\n`).join("")}`;
    expect(await messageOf(chain(10))).toBe("");
    expect(await messageOf(chain(11))).toBe("llm-proxy.yaml:2:3 models.a0: leads through more than 10 aliases");
    expect(await messageOf(chain(100))).toContain("leads through more than 10 aliases");
    expect(await messageOf(chain(5_000))).toContain("leads through more than 10 aliases");
  });

  test("a bomb of aliases", async () => {
    const levels = Array.from(
      { length: 12 },
      (_, level) =>
        `l${level}: &l${level} [${
          level === 0
            ? "x"
            : Array(10)
                .fill(`*l${level - 1}`)
                .join(", ")
        }]`,
    );
    expect(await messageOf(levels.join("\n"))).toContain("aliases repeat more than 10000 nodes");
  });

  test("nesting without end", async () => {
    expect(await messageOf(`provider: ${"[".repeat(100)}${"]".repeat(100)}`)).toContain("nested more than 64 deep");
    expect(await messageOf(`provider: ${"{ a: ".repeat(20_000)}`)).toContain("llm-proxy.yaml:1:");
  });
});

const messageOf = (text: string) => failureOf(readConfig({ path: "llm-proxy.yaml", text, env: {} }));
