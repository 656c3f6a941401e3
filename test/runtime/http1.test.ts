import { expect, test } from "bun:test";
import fc from "fast-check";
import { Exchange } from "../../core/runtime/http1/exchange.ts";
import { HttpFault } from "../../core/runtime/http1/fault.ts";
import { nextOf, type Waiter } from "../../core/runtime/upstream-response.ts";

/** The reading of an answer alone, without sockets: however it is cut, and whatever is wrong with it. */

const { signal } = new AbortController();
const newExchange = (): Exchange => {
  const exchange = new Exchange({ data: "", byteLength: 0 }, 1_000, signal);
  exchange.begin({ pause() {}, resume() {}, cut() {} });
  // Read below, where it fails.
  exchange.answered.catch(() => {});
  return exchange;
};

/** What a connection does with what comes, until it has ended by `end`. */
function fed(pieces: readonly Uint8Array[], end: Error | null = null): Exchange {
  const exchange = newExchange();
  for (const piece of pieces) {
    if (exchange.isOver) break;
    try {
      // A copy, as the runtime gives one: it may be written into.
      exchange.received(Uint8Array.from(piece));
    } catch (error) {
      if (!(error instanceof HttpFault)) throw error;
      exchange.fail(error);
    }
  }
  exchange.closed(end);
  return exchange;
}

interface Read {
  readonly status: number;
  readonly body: string;
  readonly isWhole: boolean;
}
async function read(exchange: Exchange): Promise<Read> {
  let body = "";
  const told = (isWhole: boolean): Read => ({ status: exchange.status, body, isWhole });
  try {
    for (let piece = await nextOf(exchange); piece; piece = await nextOf(exchange))
      body += Buffer.from(piece).toString("latin1");
    return told(true);
  } catch (error) {
    expect(error).toBeInstanceOf(HttpFault);
    return told(false);
  }
}

/** Cut at places in thousandths of its length. */
function cut(bytes: Uint8Array, places: readonly number[]): Uint8Array[] {
  const at = [0, ...places.map((place) => Math.floor((place * bytes.length) / 1_000)), bytes.length].sort(
    (a, b) => a - b,
  );
  return at.slice(1).map((end, index) => bytes.subarray(at[index], end));
}
const places = fc.array(fc.nat(1_000), { maxLength: 12 });
const latin1 = (text: string): Uint8Array => Buffer.from(text, "latin1");

const bodyText = fc.string({
  unit: fc.integer({ min: 0, max: 255 }).map((code) => String.fromCharCode(code)),
  maxLength: 300,
});
const fieldName = fc.stringMatching(/^x-[a-zA-Z0-9!#$%&'*+.^_`|~-]{1,10}$/);
const fieldValue = fc.stringMatching(/^[\x21-\x7e\x80-\xff]([\t\x20-\x7e\x80-\xff]{0,30}[\x21-\x7e\x80-\xff])?$/);
const lineEnd = fc.constantFrom("\r\n", "\n");

interface Wire {
  readonly text: string;
  readonly status: number;
  readonly body: string;
  readonly headers: readonly (readonly [string, string])[];
  /** It ends with the connection. */
  readonly isOpen: boolean;
  readonly mayKeep: boolean;
}
const answer: fc.Arbitrary<Wire> = fc
  .record({
    status: fc.integer({ min: 200, max: 999 }).filter((status) => status !== 204 && status !== 304),
    body: bodyText,
    headers: fc.array(fc.tuple(fieldName, fieldValue), { maxLength: 5 }),
    before: fc.array(fc.constantFrom("HTTP/1.1 100 Continue\r\n\r\n", "HTTP/1.1 103 Early Hints\r\nlink: a\r\n\r\n"), {
      maxLength: 2,
    }),
    framing: fc.constantFrom("length", "chunked", "close"),
    chunks: places,
    extension: fc.constantFrom("", ";a", ' ; a="b"'),
    trailer: fc.constantFrom("", "x-trailer: 1\r\n"),
    upper: fc.boolean(),
    newline: lineEnd,
    version: fc.constantFrom("1.0", "1.1"),
  })
  .map(({ status, body, headers, before, framing, chunks, extension, trailer, upper, newline, version }) => {
    const isChunked = framing === "chunked";
    const named = isChunked ? "1.1" : version;
    const name = (text: string) => (upper ? text.toUpperCase() : text);
    const lines = [`HTTP/${named} ${status} Some reason`, ...headers.map(([key, value]) => `${key}: ${value}`)];
    if (framing === "length") lines.splice(1, 0, `${name("content-length")}:${body.length}`);
    if (isChunked) lines.push(`${name("transfer-encoding")}: ${name("chunked")}`);
    const pieces = cut(latin1(body), chunks).filter(({ length }) => length > 0);
    const coded = pieces.map(
      (piece) => `${name(piece.length.toString(16))}${extension}\r\n${Buffer.from(piece).toString("latin1")}\r\n`,
    );
    const payload = isChunked ? `${coded.join("")}0\r\n${trailer}\r\n` : body;
    return {
      text: `${before.join("")}${lines.join(newline)}${newline}${newline}${payload}`,
      status,
      body,
      headers,
      isOpen: framing === "close",
      mayKeep: framing !== "close" && named === "1.1",
    };
  });

test("a valid answer reads the same wherever it is cut, and whole only when all of it was there", async () => {
  await fc.assert(
    fc.asyncProperty(answer, places, fc.nat(999), async (wire, cuts, short) => {
      const bytes = latin1(wire.text);
      const exchange = fed(cut(bytes, cuts));
      expect(await read(exchange)).toEqual({ status: wire.status, body: wire.body, isWhole: true });
      expect(exchange.keepsOpen).toBe(wire.mayKeep);
      for (const [key] of wire.headers) {
        const values = wire.headers
          .filter(([other]) => other.toLowerCase() === key.toLowerCase())
          .map(([, value]) => value);
        expect(exchange.headers.get(key.toLowerCase())).toBe(
          values.map((value) => value.replace(/^[\t ]+|[\t ]+$/g, "")).join(", "),
        );
      }
      expect(await fed(cut(bytes, cuts)).bytes()).toEqual(new Uint8Array(latin1(wire.body)));
      // Some of it alone is none, but where only the end of the connection tells.
      const part = bytes.subarray(0, Math.floor((short * bytes.length) / 1_000));
      const told = await read(fed(cut(part, cuts)));
      expect(wire.body).toStartWith(told.body);
      if (!wire.isOpen || told.status === 0) expect(told.isWhole).toBe(false);
    }),
    { numRuns: 300 },
  );
});

/** Bytes that mean something where they stand. */
const telling = [
  "\r\n",
  "\n",
  "\r",
  "\0",
  " ",
  ":",
  "0",
  "\r\n\r\n",
  "5\r\n",
  "0\r\n\r\n",
  "-",
  "HTTP/1.1 200 OK\r\n\r\n",
  "Content-Length: 3\r\n",
  "Transfer-Encoding: chunked\r\n",
  "\xff",
  ";",
  "f".repeat(13),
];
const change = fc.record({
  place: fc.nat(1_000),
  drops: fc.nat(4),
  puts: fc.oneof(fc.constantFrom("", ...telling), bodyText),
});

test("whatever is changed in an answer: nothing but a fault, no read that never ends, no byte more than was sent, and cut anywhere it is the same", async () => {
  await fc.assert(
    fc.asyncProperty(
      answer,
      fc.array(change, { minLength: 1, maxLength: 4 }),
      places,
      fc.boolean(),
      async (wire, changes, cuts, isReset) => {
        let { text } = wire;
        for (const { place, drops, puts } of changes) {
          const at = Math.floor((place * text.length) / 1_000);
          text = text.slice(0, at) + puts + text.slice(at + drops);
        }
        const bytes = latin1(text);
        const end = isReset ? new HttpFault("reset") : null;
        const atOnce = fed([bytes], end);
        const inPieces = fed(cut(bytes, cuts), end);
        const told = await read(atOnce);
        expect(await read(inPieces)).toEqual(told);
        expect(told.body.length).toBeLessThanOrEqual(text.length);
        expect(atOnce.isOver).toBe(true);
        expect((await Promise.try(() => atOnce.bytes()).catch(() => null)) === null).toBe(!told.isWhole);
        // What one reader takes for a second answer another has not seen yet: it may only be the more careful one.
        if (atOnce.keepsOpen) expect(inPieces.keepsOpen).toBe(true);
      },
    ),
    { numRuns: 700 },
  );
});

test("noise is a fault, and none of it is passed on", async () => {
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 500 }), places, async (bytes, cuts) => {
      expect(await read(fed(cut(bytes, cuts)))).toEqual({ status: 0, body: "", isWhole: false });
    }),
    { numRuns: 500 },
  );
});

test("who asks while another waits takes its place", async () => {
  const exchange = newExchange();
  exchange.received(Uint8Array.from(latin1("HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\n")));
  const seen: string[] = [];
  const waiterOf = (name: string): Waiter => ({
    came: (piece) => void seen.push(`${name} ${piece ? Buffer.from(piece).toString() : "the end"}`),
    failed: () => void seen.push(`${name} a fault`),
  });
  expect(exchange.next(waiterOf("first"))).toBeUndefined();
  expect(exchange.next(waiterOf("second"))).toBeUndefined();
  exchange.received(Uint8Array.from(latin1("one")));
  exchange.received(Uint8Array.from(latin1("two")));
  expect(exchange.next(waiterOf("third"))).toEqual(Uint8Array.from(latin1("two")));
  expect(exchange.next(waiterOf("third"))).toBeNull();
  expect(seen).toEqual(["second one"]);

  const broken = newExchange();
  broken.received(Uint8Array.from(latin1("HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\n")));
  broken.next(waiterOf("first"));
  broken.next(waiterOf("last"));
  broken.closed(null);
  // Whoever ends it is not done with it yet.
  expect(seen).toEqual(["second one"]);
  await Promise.resolve();
  expect(seen).toEqual(["second one", "last a fault"]);
  expect(() => broken.next(waiterOf("later"))).toThrow();
});

test("the size of a chunk may be filled up with zeros, and says no more than twelve digits do", async () => {
  const sized = (size: string) =>
    read(fed([latin1(`HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n${size}\r\nhello\r\n000\r\n\r\n`)]));
  const whole = { status: 200, body: "hello", isWhole: true };
  expect(await sized(`${"0".repeat(40)}5`)).toEqual(whole);
  expect(await sized(`1${"0".repeat(12)}`)).toEqual({ status: 200, body: "", isWhole: false });
  expect(await sized(`5${"0".repeat(20_000)}`)).toMatchObject({ isWhole: false });
  expect(await sized(`${"0".repeat(20_000)}5`)).toMatchObject({ isWhole: false });
});

test("a head of more than 64 KB is none, in one piece or in many", async () => {
  const headOf = (bytes: number) => {
    const start = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\nx: ";
    return latin1(`${start}${"y".repeat(bytes - start.length - 4)}\r\n\r\nhello`);
  };
  for (const pieces of [[], [500], [100, 200, 999]]) {
    expect(await read(fed(cut(headOf(64 * 1_024), pieces)))).toMatchObject({ body: "hello", isWhole: true });
    expect(await read(fed(cut(headOf(64 * 1_024 + 1), pieces)))).toMatchObject({ status: 0, isWhole: false });
  }
});

// ── slow readers ────────────────────────────────────────────────────────────────────────────────────────────────────────

test("after a large piece the connection waits for a reader that asks for no more yet; after a small one only for much", () => {
  const said: string[] = [];
  const exchange = new Exchange({ data: "", byteLength: 0 }, 1_000, signal);
  exchange.begin({ pause: () => said.push("pause"), resume: () => said.push("resume"), cut() {} });
  exchange.received(latin1("HTTP/1.1 200 OK\r\nContent-Length: 10000000\r\n\r\n"));
  const got: number[] = [];
  const reader = (asksAgain: () => boolean): Waiter => ({
    came(piece) {
      got.push(piece?.byteLength ?? 0);
      if (asksAgain()) expect(exchange.next(this)).toBeUndefined();
    },
    failed(error) {
      throw error;
    },
  });
  const large = 64 * 1_024;

  exchange.next(reader(() => got.length < 3));
  exchange.received(new Uint8Array(large));
  exchange.received(new Uint8Array(large));
  expect(said).toEqual([]);
  exchange.received(new Uint8Array(large));
  expect(said).toEqual(["pause"]);

  exchange.next(reader(() => false));
  expect(said).toEqual(["pause", "resume"]);
  exchange.received(new Uint8Array(large - 1));
  expect(said).toHaveLength(2);
  // Nobody asks meanwhile.
  exchange.received(new Uint8Array(3 * large));
  expect(said).toHaveLength(2);
  exchange.received(new Uint8Array(large + 1));
  expect(said).toEqual(["pause", "resume", "pause"]);

  expect(exchange.next(reader(() => false))?.byteLength).toBe(3 * large);
  expect(said).toEqual(["pause", "resume", "pause", "resume"]);
  expect(got).toEqual([large, large, large, large - 1]);
});
