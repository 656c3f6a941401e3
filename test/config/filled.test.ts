import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { decimalOf } from "../../core/config/decimal.ts";
import { interpolate } from "../../core/config/interpolate.ts";
import { readConfig } from "../../core/config/read.ts";
import { failureOf } from "./failure.ts";

const files: Readonly<Record<string, string>> = { "/secrets/key": "from-a-file\n", "/secrets/empty": "\n" };
const sources = {
  env: { NAME: "value", EMPTY: "", SELF: "${SELF}", DOLLARS: "$&$1" },
  readSecret: (path: string) => {
    const text = files[path];
    if (text === undefined) throw new Error("no such file");
    return text;
  },
};

describe("interpolation", () => {
  test.each([
    ["plain", null],
    ["$NAME and {NAME}", null],
    ["${NAME}", "value"],
    ["a ${NAME} b ${NAME}", "a value b value"],
    ["${UNSET:-other}", "other"],
    ["${EMPTY:-other}", "other"],
    ["${UNSET:-}", ""],
    ["${UNSET:-http://a:1/b-c}", "http://a:1/b-c"],
    ["${NAME:-other}", "value"],
    ["${SELF}", "${SELF}"],
    ["${DOLLARS}", "$&$1"],
    ["$${NAME}", "${NAME}"],
    ["${file:/secrets/key}", "from-a-file"],
  ])("%p becomes %p", (text, expected) => {
    const result = interpolate(text, sources);
    expect(result === null ? null : "value" in result ? result.value : result.problem).toBe(expected);
  });

  test.each([
    ["${UNSET}", "environment variable UNSET is not set; set it, or write ${UNSET:-default}"],
    ["${EMPTY}", "environment variable EMPTY is empty; set it, or write ${EMPTY:-default}"],
    ["${A:-${B}}", "bad default of ${A}: one ${…} cannot hold another"],
    ["${}", "bad ${…}: write ${NAME}, ${NAME:-default} or ${file:PATH}; $${ is a plain ${"],
    ["${sk-pasted-secret}", "bad ${…}: write ${NAME}, ${NAME:-default} or ${file:PATH}; $${ is a plain ${"],
    ["${NAME", "bad ${…}: write ${NAME}, ${NAME:-default} or ${file:PATH}; $${ is a plain ${"],
    ["${file:}", "bad ${file:}: the path is missing"],
    ["${file:/secrets/none}", "file /secrets/none: no such file"],
    ["${file:/secrets/empty}", "file /secrets/empty: empty"],
  ])("%p is refused", (text, problem) => {
    expect(interpolate(text, sources)).toEqual({ problem });
  });
});

describe("values from outside the file", () => {
  const read = (text: string, env: Record<string, string>) => readConfig({ path: "llm-proxy.yaml", text, env });

  test("become numbers and booleans where the schema wants them, and stay text elsewhere", async () => {
    const { config } = await read('server: { port: "${P}", host: "${H}" }', { P: "80", H: "10" });
    expect(config.server.port).toBe(80);
    expect(config.server.host).toBe("10");
  });

  test("are not turned into what they are not", async () => {
    expect(await failureOf(read('server: { port: "${P}" }', { P: "0x50" }))).toContain(
      "llm-proxy.yaml:1:17 server.port: expected integer",
    );
    expect(await failureOf(read('server: { port: "80" }', {}))).toContain("server.port: expected integer");
  });

  test("that are missing are all named, once each, with their place", async () => {
    const text = 'server:\n  port: ${PORT_UNSET}\nprovider:\n  a: { use: openai, headers: { x: ["${OTHER}"] } }\n';
    expect(await failureOf(read(text, {}))).toContain(
      [
        "llm-proxy.yaml:2:9 server.port: environment variable PORT_UNSET is not set; set it, or write ${PORT_UNSET:-default}",
        "llm-proxy.yaml:4:36 provider.a.headers.x[0]: environment variable OTHER is not set; set it, or write ${OTHER:-default}",
      ].join("\n"),
    );
  });

  test("never appear in a message", async () => {
    const text =
      "models: { a: ['${SECRET}', '${SECRET}/x'] }\nprices: [{ target: '${SECRET}/y', input: 1, output: 1 }]";
    const error = await read(text, { SECRET: "hunter2-hunter2" }).catch((caught: unknown) => String(caught));
    expect(error).toContain("***");
    expect(error).not.toContain("hunter2");
  });

  test("come from files beside the config", async () => {
    const asked: string[] = [];
    const readFile = (path: string) => {
      asked.push(path);
      return path.endsWith("llm-proxy.yaml") ? "provider: { a: { key: '${file:secret.txt}' } }" : "s3cret\r\n";
    };
    const { config } = await readConfig({ path: "/etc/proxy/llm-proxy.yaml", env: {}, readFile });
    expect(asked).toEqual(["/etc/proxy/llm-proxy.yaml", "/etc/proxy/secret.txt"]);
    expect(config.provider).toEqual({ a: { key: "s3cret" } });
  });
});

describe("prices", () => {
  test("keep every digit that was written", async () => {
    const text = `prices:
  - { target: echo/a, input: 0.0375, output: "0.10", cacheRead: 1e-7, request: 0 }
  - { target: echo/*, input: "12345.678901234567", output: 1000, contextWindow: 8192 }`;
    const { config } = await readConfig({ path: "llm-proxy.yaml", text, env: {} });
    expect(config.prices).toEqual([
      { target: "echo/a", input: "0.0375", output: "0.10", cacheRead: "0.0000001", request: "0" },
      { target: "echo/*", input: "12345.678901234567", output: "1000", contextWindow: 8192 },
    ]);
  });

  test("written out in full are the same number", () => {
    fc.assert(
      fc.property(fc.double({ min: 0, max: 1_000_000, noNaN: true }), (price) => {
        const text = decimalOf(price);
        expect(text).toMatch(/^\d+(\.\d+)?$/);
        expect(Number(text)).toBe(price);
      }),
    );
  });
});

test("whatever the file holds, the answer is a config or a ConfigError, and says nothing secret", async () => {
  const pieces = fc.constantFrom(
    "server:",
    "provider:",
    "models:",
    "prices:",
    "  a: ",
    "- ",
    "{",
    "}",
    "[",
    "]",
    '"',
    "${S}",
    "${",
    "&a ",
    "*a",
    "\n",
    "1e9",
    "echo/x",
    "? ",
    ": ",
    "!!x ",
    "\t",
  );
  await fc.assert(
    fc.asyncProperty(fc.array(pieces, { maxLength: 30 }), async (parts) => {
      const error = await readConfig({ path: "c.yaml", text: parts.join(""), env: { S: "top-secret-value" } }).catch(
        (caught: unknown) => caught,
      );
      if (!(error instanceof Error)) return;
      expect(error.name).toBe("ConfigError");
      expect(error.message).not.toContain("top-secret-value");
    }),
    { numRuns: 500 },
  );
});
