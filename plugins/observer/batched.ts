interface TextStream {
  write(text: string, written: () => void): unknown;
}

/** UTF-16 units that wait for a slow reader; beyond them lines are dropped, as a log must not take the memory. */
const maxWaiting = 8 * 1024 * 1024;

/**
 * Writes all lines of one turn of the event loop at once, and never waits for the reader. `onDropped` gets the number
 * of lines that a slow reader cost, when it reads again.
 */
export function batched(stream: TextStream, onDropped: (lines: number) => void) {
  let lines = "";
  let waiting = 0;
  let dropped = 0;
  let droppedEver = 0;

  function flush(): void {
    const text = lines;
    lines = "";
    waiting += text.length;
    stream.write(text, () => {
      waiting -= text.length;
      if (dropped === 0) return;
      onDropped(dropped);
      dropped = 0;
    });
  }

  return {
    write(line: string): void {
      if (waiting + lines.length > maxWaiting) {
        dropped += 1;
        droppedEver += 1;
        return;
      }
      if (lines === "") setImmediate(flush);
      lines += line;
    },
    /** UTF-16 units that wait for the reader. */
    waiting: () => waiting + lines.length,
    /** Lines that no reader will see. */
    dropped: () => droppedEver,
    /** Resolves when the stream has taken everything. */
    close: () =>
      new Promise<void>((resolve) => {
        if (lines !== "") flush();
        stream.write("", resolve);
      }),
  };
}
