/** UTF-8 length of a JSON string's content that stands between `from` and `to`, escapes decoded. */
export function utf8Bytes(data: string, from: number, to: number): number {
  let bytes = 0;
  for (let i = from; i < to; i++) {
    let c = data.charCodeAt(i);
    if (c === backslash) {
      i++;
      if (data.charCodeAt(i) !== letterU) {
        bytes++;
        continue;
      }
      c = Number.parseInt(data.slice(i + 1, i + 5), 16);
      i += 4;
    }
    bytes += utf8Length(c);
  }
  return bytes;
}

const letterU = 0x75;

/** Of one UTF-16 unit: half of a pair is 2 of its 4 bytes. */
export function utf8Length(unit: number): number {
  if (unit < 0x80) return 1;
  if (unit < 0x800 || (unit >= 0xd800 && unit <= 0xdfff)) return 2;
  return 3;
}

/** The same of a string in bytes read as Latin-1: only escapes stand for another number of bytes than their own. */
export function contentBytes(raw: string, from: number, to: number): number {
  let bytes = to - from;
  for (let at = from; at < to; at++) {
    if (raw.charCodeAt(at) !== backslash) continue;
    const length = raw.charCodeAt(at + 1) === letterU ? 6 : 2;
    bytes += utf8Bytes(raw, at, at + length) - length;
    at += length - 1;
  }
  return bytes;
}

const backslash = 0x5c;
