/** RFC 4180, strictly: throws on a stray quote, a bare line end and a record that is not ended. */
export function parseCsv(text: string): string[][] {
  const records: string[][] = [];
  let record: string[] = [];
  let at = 0;
  while (at < text.length) {
    const quoted = /"((?:[^"]|"")*)"/y;
    const bare = /[^",\r\n]*/y;
    const pattern = text[at] === '"' ? quoted : bare;
    pattern.lastIndex = at;
    const found = pattern.exec(text);
    if (!found) throw new SyntaxError(`a quote that is not closed at ${at}`);
    record.push(found[1]?.replaceAll('""', '"') ?? found[0]);
    at = pattern.lastIndex;
    if (text[at] === ",") {
      at += 1;
      if (at === text.length) throw new SyntaxError("the last record is cut");
    } else if (text.startsWith("\r\n", at)) {
      records.push(record);
      record = [];
      at += 2;
    } else throw new SyntaxError(`neither a comma nor the end of a line at ${at}`);
  }
  return records;
}

/** By the names of the header. */
export function csvRows(text: string): Record<string, string>[] {
  const [names = [], ...records] = parseCsv(text);
  return records.map((record) => {
    if (record.length !== names.length) throw new SyntaxError(`${record.length} cells, not ${names.length}`);
    return Object.fromEntries(names.map((name, at) => [name, record[at] ?? ""]));
  });
}
