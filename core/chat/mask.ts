/** What is left of a secret: its kind and its last four characters, and of a short one only its kind. */
const shortened = (kind: string, secret: string): string => `${kind}…${secret.length >= 16 ? secret.slice(-4) : ""}`;

// Each pattern runs in linear time, whatever the text: no two of its repeated parts can match the same characters.
// "…" is no part of a secret, so that masking twice is masking once.
const patterns: readonly RegExp[] = [
  // Named ones come first, so that the patterns below them find nothing left: a header or field, as upstreams echo them.
  /\b((?:x-|x-goog-)?(?:api[-_]?key|access[-_]?token|client[-_]?secret|password)["']?\s*[:=]\s*["']?)([^\s"',;&…]+)/gi,
  /([?&](?:key|token|secret|sig|signature)=)([^\s"'&…]+)/gi,
  /\b((?:Bearer|Basic)\s+)([^\s"',;…]+)/gi,
  // User and password in a URL.
  /(:\/\/)([^\s/@…]+(?=@))/g,
  // Our own keys and those of vendors that have a prefix.
  /\b(sk-(?:llmp-|proj-|svcacct-|admin-|ant-|or-v1-)?|[sr]k_live_|whsec_|gsk_|csk-|xai-|hf_|nvapi-|pplx-|fw_|r8_|tgp_v1_|github_pat_|gh[opsru]_|AIza|AKIA)([\w-]{8,})/g,
  // A JWT begins with the base64 of `{"`.
  /\b(eyJ)([\w-]{8,}(?:\.[\w-]*){0,4})/g,
];

/**
 * The text without what looks like a credential: of each at most its prefix and its last four characters stay.
 * For logs and for texts that come from upstream; what we know to be secret must not get here at all.
 */
export const maskSecrets = (text: string): string =>
  patterns.reduce(
    (masked, pattern) => masked.replace(pattern, (_match, kind: string, secret: string) => shortened(kind, secret)),
    text,
  );

/**
 * One line of at most `maxLength` UTF-16 units that changes no terminal and no log format: control characters, line and
 * paragraph separators, direction marks and lone surrogates become U+FFFD; a cut is shown as `…`.
 */
export const printable = (text: string, maxLength: number): string => {
  if (text.length <= maxLength && plain.test(text)) return text;
  const cut =
    text.length > maxLength ? `${text.slice(0, Math.max(0, maxLength - 1)).toWellFormed()}…` : text.toWellFormed();
  return cut.replace(unprintable, "\uFFFD");
};

const plain = /^[\x20-\x7e]*$/;
const unprintable = /[\p{Cc}\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/gu;
