import { closeSync, openSync, readSync } from "node:fs";

/** Far above any real file; keeps a wrong path (a log, a device) from being read for ever. */
const maxFileBytes = 1024 * 1024;

/** The text of a file. Throws an `Error` whose message fits after the file's name: no path, no stack. */
export type ReadFile = (path: string) => string;

export const readTextFile: ReadFile = (path) => {
  const bytes = readAtMost(path, maxFileBytes);
  if (bytes === null) throw new Error("larger than 1 MiB");
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw new Error("not UTF-8 text");
  }
};

/** `null` when there is more. Reads instead of asking for the size: devices and pipes have none. */
function readAtMost(path: string, limitBytes: number): Uint8Array | null {
  let file: number | null = null;
  try {
    file = openSync(path, "r");
    const buffer = new Uint8Array(limitBytes + 1);
    let length = 0;
    while (length < buffer.length) {
      const read = readSync(file, buffer, length, buffer.length - length, null);
      if (read === 0) return buffer.subarray(0, length);
      length += read;
    }
    return null;
  } catch (error) {
    throw new Error(wordsFor(error), { cause: error });
  } finally {
    if (file !== null) closeSync(file);
  }
}

const reasons: Readonly<Record<string, string>> = {
  ENOENT: "no such file",
  ENOTDIR: "no such file",
  EISDIR: "is a directory, not a file",
  EACCES: "not readable: permission denied",
  EPERM: "not readable: permission denied",
};

function wordsFor(error: unknown): string {
  const code = error instanceof Error && "code" in error ? String(error.code) : "unknown error";
  return reasons[code] ?? `not readable (${code})`;
}
