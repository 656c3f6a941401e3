import { Buffer } from "node:buffer";
import { clearImmediate, setImmediate } from "node:timers";
import { within } from "../../plugin/deadline.ts";
import type { Logger } from "../../plugin/plugin.ts";
import { opened, sealed } from "../../runtime/seal.ts";
import type { ContentOwner, ContentRepository } from "../../storage/content.ts";
import type { Call } from "../call.ts";
import { keepsContent } from "./keeps.ts";
import { withWholeTexts } from "./pieces.ts";
import { type OwnPattern, redactorOf } from "./redact.ts";
import { collectedUnits, type ContentSide, jsonSide, streamSide } from "./side.ts";
import { StreamText } from "./stream-text.ts";

export interface ContentLog {
  /** `null`: nothing of this call is kept. Whoever gets one must `finish` it. */
  begin(call: Call, text: string): CallContent | null;
  /** `null`: nothing is kept of it, or not any more, or it cannot be opened. */
  read(callId: string): Promise<KeptContent | null>;
  /** Returns how many are gone. */
  remove(which: { readonly callId: string } | { readonly owner: ContentOwner }): Promise<number>;
  /** Removes what is older than it may be, a few at a time. */
  sweep(): Promise<void>;
  /** Since the start of the process. */
  readonly counts: { readonly stored: number; readonly failed: number; readonly skipped: number };
  /** Writes what has ended. */
  close(): Promise<void>;
}

/** What is being kept of one call. Nothing here throws, or does any work before the answer has gone out. */
export interface CallContent {
  /** An answer in one piece. */
  whole(body: Uint8Array | string): void;
  /** A piece of a stream that was handed to the client. */
  delivered(piece: Uint8Array): void;
  /** Nothing more comes. */
  finish(): void;
}

export interface KeptContent {
  readonly callId: string;
  readonly accountId: string;
  readonly createdMs: number;
  readonly expiresMs: number;
  readonly request: ContentSide;
  /** `null`: the client got nothing. */
  readonly answer: ContentSide | null;
}

export interface ContentLogOptions {
  readonly repository: ContentRepository;
  /** 32 bytes. */
  readonly key: Buffer;
  /** Read each time, because a reload changes them in place. */
  readonly settings: ContentSettings;
  readonly logger: Logger;
  /** Epoch milliseconds. */
  readonly now: () => number;
  /** Of all that waits to be looked through or written, in UTF-16 units or bytes; beyond it, calls are not kept. */
  readonly maxHeld?: number;
}

export interface ContentSettings {
  readonly patterns: readonly OwnPattern[];
  /** Of each side, in UTF-8 bytes. */
  readonly maxBytes: number;
  readonly maxTotalBytes: number;
  readonly ttlMs: number;
}

/** A turn of the event loop ends after this much of looking through texts. */
const turnMs = 4;
const defaultMaxHeld = 96 * 1_024 * 1_024;
const closeTimeoutMs = 2_000;

export function createContentLog(options: ContentLogOptions): ContentLog {
  const { repository, key, settings, logger, now, maxHeld = defaultMaxHeld } = options;
  let redacting = { patterns: settings.patterns, redact: redactorOf(settings.patterns) };
  const counts = { stored: 0, failed: 0, skipped: 0 };
  const chores: (() => void)[] = [];
  const writes = new Set<Promise<void>>();
  /** What has not been handed to the repository yet. */
  const unwritten = new Set<Unwritten>();
  let held = 0;
  let turn: NodeJS.Immediate | null = null;

  function sideOptions() {
    const { patterns, maxBytes } = settings;
    if (patterns !== redacting.patterns) redacting = { patterns, redact: redactorOf(patterns) };
    return { maxBytes, redact: redacting.redact };
  }

  function failed(error: unknown) {
    counts.failed += 1;
    // The error of a storage names no content; what a chore throws might, so only its kind is told.
    logger.warn({ error: error instanceof Error ? error.name : "unknown" }, "the content of a call was not kept");
  }

  function run() {
    turn = null;
    const endMs = performance.now() + turnMs;
    while (chores.length > 0 && performance.now() < endMs) chores.shift()?.();
    if (chores.length > 0) turn = setImmediate(run);
  }

  /** In a later turn, in order. */
  function later(size: number, work: () => void) {
    held += size;
    chores.push(() => {
      held -= size;
      try {
        work();
      } catch (error) {
        failed(error);
      }
    });
    turn ??= setImmediate(run);
  }

  const isKept = ({ principal, accounts }: Call): boolean =>
    repository.isOnForSome() && keepsContent(repository, principal?.keyId ?? null, accounts);

  function write(call: Call, request: ContentSide, answer: ContentSide | null) {
    const { id: callId, startedMs: createdMs, principal } = call;
    // Whoever turned it off meanwhile, perhaps minutes ago, wants none of this.
    if (principal === null || !isKept(call)) return;
    const content = {
      callId,
      keyId: principal.keyId,
      accountId: principal.accountId,
      createdMs,
      sealed: sealed(key, placeOf(callId), JSON.stringify({ request, answer } satisfies Sides)),
    };
    const written = Promise.try(() => repository.write(content, settings.maxTotalBytes)).then(
      () => void (counts.stored += 1),
      failed,
    );
    writes.add(written);
    void written.finally(() => writes.delete(written));
  }

  return {
    counts,
    begin(call, text) {
      if (!isKept(call)) return null;
      if (held + text.length > maxHeld) {
        counts.skipped += 1;
        return null;
      }
      let request: ContentSide | null = null;
      let answer: ContentSide | null = null;
      let stream: StreamText | null = null;
      let ownHeld = 0;
      /** There was no room for a piece of it, and half an answer would pass for a whole one. */
      let isLost = false;
      let isOver = false;
      const own = { call, isRemoved: false };
      unwritten.add(own);

      const side = (json: string): ContentSide => {
        const whole = call.endpoint.dialect.traits.textInPieces === true ? withWholeTexts(json) : json;
        return jsonSide(whole, Buffer.byteLength(json), sideOptions());
      };
      const keep = (size: number) => {
        ownHeld += size;
        held += size;
      };
      later(text.length, () => {
        request = side(text);
        keep(request.text.length);
      });
      return {
        whole: (body) =>
          later(body.length, () => {
            answer = side(typeof body === "string" ? body : asBuffer(body).toString());
          }),
        delivered(piece) {
          isLost ||= held + piece.byteLength > maxHeld;
          if (isLost) return;
          later(piece.byteLength, () => {
            const { dialect, framing = "sse" } = call.endpoint;
            stream ??= new StreamText(dialect, framing, collectedUnits(settings.maxBytes));
            keep(stream.take(piece));
          });
        },
        finish() {
          if (isOver) return;
          isOver = true;
          later(0, () => {
            held -= ownHeld;
            unwritten.delete(own);
            if (own.isRemoved) return;
            if (isLost) counts.skipped += 1;
            if (isLost || request === null) return;
            if (stream !== null) answer = streamSide(stream, sideOptions());
            write(call, request, answer);
          });
        },
      };
    },
    async read(callId) {
      const row = await repository.read(callId);
      const expiresMs = (row?.createdMs ?? 0) + settings.ttlMs;
      if (row === null || expiresMs <= now()) return null;
      const plain = opened(key, placeOf(callId), row.sealed);
      if (plain === null) {
        logger.warn({ callId }, "the content of a call cannot be opened: it was sealed with another secret");
        return null;
      }
      // Sealed by `write` above.
      const sides = JSON.parse(plain.toString()) as Sides;
      return { callId, accountId: row.accountId, createdMs: row.createdMs, expiresMs, ...sides };
    },
    async remove(which) {
      for (const one of unwritten) one.isRemoved ||= isAmong(one.call, which);
      let removed = 0;
      for (let some = -1; some !== 0; removed += some) some = await repository.remove(which);
      return removed;
    },
    async sweep() {
      while ((await repository.remove({ beforeMs: now() - settings.ttlMs + 1 })) > 0);
    },
    async close() {
      if (turn !== null) clearImmediate(turn);
      turn = null;
      while (chores.length > 0) chores.shift()?.();
      await within(closeTimeoutMs, () => Promise.all(writes)).catch(() => {});
    },
  };
}

interface Unwritten {
  readonly call: Call;
  /** Somebody had it removed before it was there. */
  isRemoved: boolean;
}

function isAmong({ id, principal, accounts }: Call, which: Parameters<ContentLog["remove"]>[0]): boolean {
  if ("callId" in which) return id === which.callId;
  const { owner } = which;
  return owner.kind === "key" ? principal?.keyId === owner.id : accounts.includes(owner.id);
}

interface Sides {
  readonly request: ContentSide;
  readonly answer: ContentSide | null;
}

const asBuffer = (bytes: Uint8Array): Buffer => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);

const placeOf = (callId: string): readonly string[] => ["content", callId];
