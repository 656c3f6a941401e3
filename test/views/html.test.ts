import { expect, test } from "bun:test";
import fc from "fast-check";
import { html, segment, url } from "../../views/html.ts";

test("whatever a value is, it adds no markup", () => {
  const canary = fc.oneof(
    fc.string({ unit: "binary" }),
    fc
      .array(fc.constantFrom("<", ">", '"', "'", "&", "x", " ", "=", "/"), { maxLength: 40 })
      .map((parts) => parts.join("")),
  );
  fc.assert(
    fc.property(canary, canary, (text, attribute) => {
      const { value } = html`<p title="${attribute}">${text}</p>`;
      const inside = value.slice('<p title="'.length, -"</p>".length);
      expect(inside.match(/["<>']/g)).toEqual(['"', ">"]);
      expect(inside.replaceAll(/&(?:amp|lt|gt|quot|#39);/g, "")).not.toContain("&");
    }),
  );
});

test("escaping loses nothing", () => {
  fc.assert(
    fc.property(fc.string({ unit: "grapheme" }), (text) => {
      const back = { "&amp;": "&", "&lt;": "<", "&gt;": ">", "&quot;": '"', "&#39;": "'" } as const;
      // The pattern matches only the keys of the table.
      expect(
        html`${text}`.value.replace(/&(?:amp|lt|gt|quot|#39);/g, (entity) => back[entity as keyof typeof back]),
      ).toBe(text);
    }),
  );
});

test("markup nests, lists join, and what is nothing shows as nothing", () => {
  const items = ["a", "<b>"].map((item) => html`<li>${item}</li>`);
  expect(html`<ul>${items}</ul>${null}${undefined}${false}${true}${0}${12n}`.value).toBe(
    "<ul><li>a</li><li>&lt;b&gt;</li></ul>012",
  );
});

test("a link is a path of this site, with its query encoded", () => {
  expect(url("/dashboard/calls", { model: "a&b=c", key: "", after: null })).toBe("/dashboard/calls?model=a%26b%3Dc");
  expect(url(`/dashboard/calls/${segment("../x?y#z\ud800")}`)).toBe("/dashboard/calls/..%2Fx%3Fy%23z%EF%BF%BD");
  for (const bad of ["javascript:alert(1)", "//evil", "/\\evil", "https://evil", "", "data:text/html,x"])
    expect(() => url(bad)).toThrow();
});

test("only html.ts makes markup out of text", async () => {
  const makers: string[] = [];
  for await (const file of new Bun.Glob("{views,core}/**/*.ts").scan(`${import.meta.dir}/../..`)) {
    if ((await Bun.file(`${import.meta.dir}/../../${file}`).text()).includes("new Html(")) makers.push(file);
  }
  expect(makers).toEqual(["views/html.ts"]);
});
