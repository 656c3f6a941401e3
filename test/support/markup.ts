/** What a page is made of, apart from its text. */
export interface Outline {
  /** `tag attribute attribute…` of each element, in document order. */
  readonly elements: readonly string[];
  /** Values of all `hx-…` attributes. */
  readonly behaviour: readonly string[];
  /** Values of `href` and `action`. */
  readonly links: readonly string[];
  /** What the page loads by itself. */
  readonly sources: readonly string[];
}

export async function outline(markup: string): Promise<Outline> {
  const elements: string[] = [];
  const behaviour: string[] = [];
  const links: string[] = [];
  const sources: string[] = [];
  const rewriter = new HTMLRewriter().on("*", {
    element(element) {
      const attributes = [...element.attributes].map(([name, value]) => ({ name, value }));
      elements.push([element.tagName, ...attributes.map(({ name }) => name).sort()].join(" "));
      for (const { name, value } of attributes) {
        if (name.startsWith("hx-")) behaviour.push(`${name}=${value}`);
        if (name === "src" || (name === "href" && element.tagName === "link")) sources.push(value);
        else if (name === "href" || name === "action") links.push(value);
      }
    },
  });
  await rewriter.transform(new Response(markup)).text();
  // A skip link stays on its page.
  return { elements, behaviour, links: links.filter((link) => link !== "#main"), sources };
}

/** Texts that become markup, script or behaviour wherever they are not escaped. */
export const canaries: readonly string[] = [
  '"><img src=x onerror=c()>',
  "</script><script>c()</script>",
  "' onmouseover=c() x='",
  "javascript:c()",
  "<svg/onload=c()>",
  "<div hx-get=/admin hx-trigger=load>",
  '" hx-get="/admin" hx-trigger="load',
  "js:c()",
  "{{7*7}}",
  "</title></textarea></option></select><b>",
  "a\u2028b\u202ec\u0000d\ud800e",
  "&lt;script&gt;&#60;b&#62;",
];
