/** What stands in the place of media: the kind and the size. */
export const mediaNote = (kind: string, bytes: number): string =>
  `[${kind}, ${bytes.toLocaleString("en-US")} bytes, not kept]`;

/** Base64 as JSON holds it: some writers escape each slash. */
const runs =
  /(?<![A-Za-z0-9+/=_\\-])(?:data:([a-z]{1,20}\/[a-z0-9.+-]{1,60})?[^,"\s]{0,80};base64,)?[A-Za-z0-9+/=_\\-]{512,}/gi;
/** Of each run, what tells base64 from a row of the same letter. */
const sampled = 512;

/** The text with every long base64 in it replaced. `before`: what the JSON says before it, where the kind may be named. */
export function withoutMedia(text: string, before: string, found: () => void): string {
  return text.replace(runs, (run: string, named: string | undefined) => {
    const comma = run.indexOf(";base64,");
    const data = comma < 0 ? run : run.slice(comma + 8);
    if (!looksEncoded(data)) return run;
    found();
    const escapes = data.includes("\\") ? data.split("\\").length - 1 : 0;
    const kind = named ?? namedBefore(before) ?? kindOf(data);
    return mediaNote(kind, Math.floor(((data.length - escapes) * 3) / 4) - (/={0,2}$/.exec(data)?.[0].length ?? 0));
  });
}

function looksEncoded(data: string): boolean {
  const head = data.slice(0, sampled);
  return /[a-z]/.test(head) && /[A-Z]/.test(head) && /[0-9]/.test(head);
}

/** `"media_type": "image/png", "data": "…`, as Anthropic's and Gemini's requests have it. */
const namedBefore = (before: string): string | undefined =>
  /"(?:media_type|mime_?type)"\s*:\s*"([\w.+-]{1,20}\/[\w.+-]{1,60})"[^}]*$/i.exec(before)?.[1];

/** By the first bytes, as base64 shows them. */
function kindOf(data: string): string {
  const known = magic.find(([head]) => data.startsWith(head));
  return known?.[1] ?? "base64";
}

const magic: readonly (readonly [head: string, kind: string])[] = [
  ["iVBORw0KGgo", "image/png"],
  ["/9j/", "image/jpeg"],
  ["\\/9j\\/", "image/jpeg"],
  ["R0lGOD", "image/gif"],
  ["UklGR", "audio/wav or image/webp"],
  ["JVBERi", "application/pdf"],
  ["SUQz", "audio/mpeg"],
  ["T2dnUw", "audio/ogg"],
  ["ZkxhQ", "audio/flac"],
];
