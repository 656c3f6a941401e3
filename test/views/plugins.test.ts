import { expect, test } from "bun:test";
import { type PluginLine, pluginsPage } from "../../views/plugins.ts";

const line: PluginLine = {
  kind: "provider",
  name: "echo",
  plugin: "echo",
  origin: "built-in",
  description: null,
  hooks: [],
  options: {},
  timings: {},
};

test.each([
  ["Models `echo` and `echo/slow`.", "Models <code>echo</code> and <code>echo/slow</code>."],
  ["Plain & simple.", "Plain &amp; simple."],
])("names in a description stand as such: %s", (description, shown) => {
  expect(pluginsPage([{ ...line, description }]).value).toContain(`<span class="sub">${shown}</span>`);
});
