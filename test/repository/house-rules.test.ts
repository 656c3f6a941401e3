import { describe, expect, test } from "bun:test";
import { sources } from "./sources.ts";

const maxLines = 400;

interface Rule {
  readonly name: string;
  readonly files: string;
  readonly pattern: RegExp;
}
const rules: readonly Rule[] = [
  {
    name: "nothing left open",
    files: "{core,plugins,views}/**/*.ts",
    pattern: /\b(TODO|FIXME|XXX|HACK)\b|not implemented/,
  },
  { name: "no test switched off", files: "test/**/*.ts", pattern: /\b(test|it|describe)\.(only|skip|todo)\(/ },
  {
    name: "no test waits by the clock",
    files: "test/**/*.ts",
    pattern: /^\s*(await )?(Bun\.sleep|setTimeout\(r)/m,
  },
  {
    name: "no path of one machine",
    files: "{core,plugins,views,migrations}/**/*.{ts,sql,js,css}",
    pattern: /\/(tmp|home|root|work)\/[A-Za-z0-9]/,
  },
  {
    name: "no path of one machine at the top",
    files: "*.{md,yaml,json,jsonc,toml}",
    pattern: /\/(tmp|home|root|work)\/[A-Za-z0-9]/,
  },
  {
    name: "plain words",
    files: "*.md",
    pattern: /\b(blazing|seamless(ly)?|cutting-edge|robust solution|leverag(e|ing)|effortless(ly)?|powerful)\b/i,
  },
];

describe("house rules", () => {
  test.each(rules.map((rule) => [rule.name, rule] as const))("%s", async (_, { files, pattern }) => {
    const found = await sources(files);
    expect(found.length).toBeGreaterThan(0);
    expect(found.filter(({ text }) => pattern.test(text)).map(({ path }) => path)).toEqual([]);
  });

  test(`no file is longer than ${maxLines} lines`, async () => {
    const own = (await sources("{core,plugins,views,migrations,test}/**/*.ts")).filter(
      ({ path }) => !path.endsWith(".d.ts"),
    );
    expect(own.length).toBeGreaterThan(0);
    const long = own
      .map(({ path, text }) => ({ path, lines: text.split("\n").length - 1 }))
      .filter(({ lines }) => lines > maxLines);
    expect(long).toEqual([]);
  });
});
