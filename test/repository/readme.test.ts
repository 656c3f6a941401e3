import { afterAll, describe, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import * as pluginModule from "llm-proxy/plugin";
import { setUp, testProvider } from "llm-proxy/testing";
import { provideModule } from "../../core/runtime/plugin-module.ts";
import { freePort, Gateway } from "../support/process.ts";
import { root, sources, withoutComments } from "./sources.ts";

const readme = await Bun.file(join(root, "README.md")).text();
const section = (heading: string): string => readme.split(`\n## ${heading}\n`)[1]?.split("\n## ")[0] ?? "";
const block = (text: string, language: string): string =>
  new RegExp(`^\`\`\`${language}\n([\\s\\S]*?)^\`\`\``, "m").exec(text)?.[1] ?? "";

const example = section("A provider in ten lines");
const gateway = new Gateway(await freePort(), { config: block(example, "yaml") });
const file = join(gateway.directory, "hello.ts");
writeFileSync(file, block(example, "ts"));
afterAll(() => gateway.dispose());

provideModule("llm-proxy/plugin", pluginModule);
const { default: hello }: { default: pluginModule.Plugin<"provider"> } = await import(file);

describe("the provider in the README", () => {
  testProvider((context) => setUp(hello, {}, context), { form: "model", model: "any", unknownModel: null });

  test("answers as it stands there", async () => {
    await gateway.start();
    const { key } = await gateway.createKey();
    const response = await fetch(`${gateway.url}/v1/chat/completions`, {
      method: "POST",
      headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
      body: JSON.stringify({ model: "hello/any", messages: [{ role: "user", content: "Hi" }] }),
    });
    expect(response.status).toBe(200);
    const answer = await response.json();
    expect(answer.choices[0].message.content).toBe("Good morning, world!");
    expect(answer.usage.completion_tokens).toBe(2);
  }, 30_000);

  test("is tested by the line that stands there", () => {
    expect(example).toContain(
      'testProvider((context) => setUp(hello, {}, context), { form: "model", model: "any", unknownModel: null });',
    );
  });
});

describe("README", () => {
  test("names every environment variable of ours, and no other", async () => {
    const code = await sources("{core,plugins}/**/*.ts");
    const variable = /\bLLM_PROXY_[A-Z_]+\b/g;
    const read = new Set(code.flatMap(({ text }) => withoutComments(text).match(variable) ?? []));
    const documented = new Set(
      section("Configure")
        .match(/^\| `LLM_PROXY_[A-Z_]+/gm)
        ?.map((row) => row.slice(3)),
    );
    expect(documented.size).toBeGreaterThan(0);
    expect(documented).toEqual(read);
  });

  test("names every metric", async () => {
    const code = await sources("{core,plugins}/**/*.ts");
    const made = new Set(
      code.flatMap(({ text }) => withoutComments(text).match(/(?<="llm_proxy_)[a-z0-9_]+(?=")/g) ?? []),
    );
    const named = new Set(section("Metrics").match(/(?<=`)[a-z0-9_]+(?=`)/g));
    expect(made.size).toBeGreaterThan(0);
    expect([...made].filter((name) => !named.has(name))).toEqual([]);
  });

  test("names every option of the command line", async () => {
    const { stdout } = Bun.spawnSync([process.execPath, "core/main.ts", "--help"], { cwd: root });
    const options = stdout.toString().match(/--[a-z-]+/g) ?? [];
    expect(options.length).toBeGreaterThan(0);
    const commands = section("Commands");
    expect(options.filter((option) => !commands.includes(`\`${option}`))).toEqual([]);
  });

  test("leads to headings that it has", () => {
    const anchorOf = (heading: string): string =>
      heading
        .toLowerCase()
        .replace(/[^\w\- ]/g, "")
        .replaceAll(" ", "-");
    const headings = new Set([...readme.matchAll(/^#+ (.+)$/gm)].map(([, heading = ""]) => anchorOf(heading)));
    const led = [...readme.matchAll(/\]\(#([^)]+)\)/g)].map(([, anchor = ""]) => anchor);
    expect(led.length).toBeGreaterThan(0);
    expect(led.filter((anchor) => !headings.has(anchor))).toEqual([]);
  });

  test("links to files that exist", async () => {
    const documents = await sources("*.md");
    const links = documents.flatMap(({ path, text }) =>
      [...text.matchAll(/\]\((?!https?:|#)([^)#\s]+)(#[^)]*)?\)/g)].map(([, to = ""]) => join(dirname(path), to)),
    );
    expect(links.length).toBeGreaterThan(0);
    const there = await Promise.all(links.map((link) => Bun.file(join(root, link)).exists()));
    expect(links.filter((_, index) => !there[index])).toEqual([]);
  });
});
