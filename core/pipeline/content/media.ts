/** What stands in the place of media: the kind and the size. */
export const mediaNote = (kind: string, bytes: number): string =>
  `[${kind}, ${bytes.toLocaleString("en-US")} bytes, not kept]`;

/** Base64 as JSON holds it: some writers escape each slash. */
const runs = /(?<![A-Za-z0-9+/=_\\-])(?:data:[^,"\s]{0,160};base64,)?[A-Za-z0-9+/=_\\-]{512,}/g;
/** In characters of base64: what is shorter stays. */
export const shortestMedia = 512;
/** Of each run, what tells base64 from a row of the same letter. */
const sampled = shortestMedia;

/**
 * What stands for a string that is media and nothing else, which only samples of it tell; `null`: it is not. `before`: what
 * the JSON says before it, where the kind may be named.
 */
export function noteOfMedia(source: string, before: string): string | null {
  if (source.length < shortestMedia) return null;
  const comma = source.slice(0, 200).indexOf(";base64,");
  const from = comma < 0 ? 0 : comma + 8;
  if (!looksEncoded(source.slice(from, from + sampled))) return null;
  for (let part = 0; part <= samples; part++) {
    const at = from + Math.floor(((source.length - from - sampled) * part) / samples);
    if (!alphabet.test(source.slice(Math.max(from, at), at + sampled))) return null;
  }
  return noteOf(source, before);
}

const samples = 16;
const alphabet = /^[A-Za-z0-9+/=_\\-]+$/;
/** From the end of what is looked at to the end of a base64 that reaches beyond it. */
export const restOfRun = /[A-Za-z0-9+/=_\\-]*/y;

/** The text with every long base64 in it replaced. */
export function withoutMedia(text: string, found: () => void): string {
  return text.replace(runs, (run) => {
    const comma = run.slice(0, 200).indexOf(";base64,");
    if (!looksEncoded(run.slice(comma < 0 ? 0 : comma + 8))) return run;
    found();
    return noteOf(run, "");
  });
}

function noteOf(run: string, before: string): string {
  const [head = "", named] = /^(?:data:([a-z]{1,20}\/[a-z0-9.+-]{1,60})?[^,"\s]{0,80};base64,)?/i.exec(run) ?? [];
  const data = run.slice(head.length);
  const escapes = data.slice(0, sampled).includes("\\") ? data.split("\\").length - 1 : 0;
  const padding = data.endsWith("==") ? 2 : data.endsWith("=") ? 1 : 0;
  const bytes = Math.floor(((data.length - escapes) * 3) / 4) - padding;
  return mediaNote(named ?? namedBefore(before) ?? kindOf(data), bytes);
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
