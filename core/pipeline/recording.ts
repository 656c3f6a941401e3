import { Buffer } from "node:buffer";

/** What all recordings of the process hold together now. */
export interface RecordingRoom {
  bytes: number;
  readonly maxBytes: number;
}

/** A copy of an answer as it passes. One that is too large, or finds no room, is dropped and stays dropped. */
export class Recording {
  #buffer: Buffer | null = Buffer.alloc(0);
  #length = 0;
  readonly #maxBytes: number;
  readonly #room: RecordingRoom;

  /** `maxBytes`: the largest answer that is kept. */
  constructor(maxBytes: number, room: RecordingRoom) {
    this.#maxBytes = maxBytes;
    this.#room = room;
  }

  push(bytes: Uint8Array): void {
    if (!this.#buffer) return;
    const needed = this.#length + bytes.byteLength;
    if (needed > this.#buffer.byteLength) this.#grow(needed);
    this.#buffer?.set(bytes, this.#length);
    this.#length = needed;
  }

  /** All of it, or `null`; what it held is given back. */
  take(): Uint8Array | null {
    const all = this.#buffer?.subarray(0, this.#length) ?? null;
    this.#drop();
    return all;
  }

  #grow(needed: number): void {
    const held = this.#buffer;
    if (!held) return;
    const size = Math.min(this.#maxBytes, Math.max(needed, held.byteLength * 2, 4_096));
    if (needed > size || this.#room.bytes + size - held.byteLength > this.#room.maxBytes) return this.#drop();
    this.#room.bytes += size - held.byteLength;
    this.#buffer = Buffer.alloc(size);
    this.#buffer.set(held.subarray(0, this.#length));
  }

  #drop(): void {
    this.#room.bytes -= this.#buffer?.byteLength ?? 0;
    this.#buffer = null;
  }
}
