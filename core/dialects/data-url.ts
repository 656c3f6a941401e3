/** What a data URL holds, whatever its parameters; `null`: it is none, or not in base64. An empty type is `null`. */
export function readDataUrl(url: string): { readonly mediaType: string | null; readonly base64: string } | null {
  const [, mediaType, base64] = /^data:([^;,]*)[^,]*;base64,([^]*)$/.exec(url) ?? [];
  return base64 === undefined ? null : { mediaType: mediaType || null, base64 };
}
