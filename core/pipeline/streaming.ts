import { GatewayError } from "../chat/error.ts";
import type { Framing } from "../dialects/framing.ts";
import type { Source, StreamedAnswer } from "./answer.ts";
import type { Call } from "./call.ts";
import { startDrain } from "./disconnect.ts";
import type { Dispatched } from "./dispatch.ts";
import { bodyOf } from "./error-body.ts";
import type { RouteTarget } from "./models.ts";
import type { Services } from "./services.ts";
import { type Outcome, settle } from "./settle.ts";
import { idleEnd, limitsOfStream, stoppedStatus, type StreamLimits, totalEnd } from "./timeouts.ts";
import { brokenOff, faultOf } from "./upstream-error.ts";
import type { Watched } from "./watch.ts";

const ping = new TextEncoder().encode(": ping\n\n");

/**
 * Pull-based, so that a slow client slows the upstream instead of filling memory. However it ends, the call is settled
 * before the stream closes: whoever saw the end finds an exact row.
 */
export const streamOf = (
  call: Call,
  { target, first }: Dispatched,
  { source, framing = "sse" }: StreamedAnswer,
  services: Services,
): ReadableStream<Uint8Array> =>
  new ReadableStream<Uint8Array>(new Streaming({ call, target, source, framing, first, services }), {
    highWaterMark: 0,
  });

interface Parts {
  readonly call: Call;
  readonly target: RouteTarget;
  readonly source: Source;
  readonly framing: Framing;
  /** `null`: the answer was empty. */
  readonly first: Uint8Array | null;
  readonly services: Services;
}

/** One object, where functions with what they close over would take some times the memory: thousands of streams are silent at once. */
class Streaming implements UnderlyingDefaultSource<Uint8Array>, Watched {
  lastMs: number;
  readonly endMs: number;
  readonly #call: Call;
  readonly #target: RouteTarget;
  readonly #source: Source;
  readonly #framing: Framing;
  readonly #services: Services;
  readonly #limits: StreamLimits;
  readonly #isEmpty: boolean;
  readonly #unwatch: () => void;
  /** Until the client asks for what comes after it. */
  #first: Uint8Array | null;
  #body: ReadableStreamDefaultController<Uint8Array> | null = null;
  /** The client has taken all there is. */
  #isWaiting = false;

  constructor({ call, target, source, framing, first, services }: Parts) {
    this.#call = call;
    this.#target = target;
    this.#source = source;
    this.#framing = framing;
    this.#services = services;
    this.#isEmpty = first === null;
    this.#first = first;
    this.#limits = limitsOfStream(call, services.settings.timeouts(call.envelope?.model ?? "", target));
    this.lastMs = services.watch.now();
    this.endMs = this.lastMs + this.#limits.endMs - services.now();
    this.#unwatch = services.watch.add(this);
  }

  // ── to the client ───────────────────────────────────────────────────────────────────────────────────────────────────

  /** What is there already goes out with the head, in one packet: else the runtime sends the head word by word, a packet each. */
  start(controller: ReadableStreamDefaultController<Uint8Array>): void {
    this.#body = controller;
    const first = this.#first;
    if (!first) return;
    controller.enqueue(first);
    this.#call.content?.delivered(first);
  }

  async pull(controller: ReadableStreamDefaultController<Uint8Array>): Promise<void> {
    const call = this.#call;
    this.#first = null;
    this.#isWaiting = true;
    try {
      for (;;) {
        const bytes = this.#isEmpty ? null : await this.#source.next();
        this.lastMs = this.#services.watch.now();
        if (call.clientGone) return;
        if (bytes === null) break;
        if (bytes.byteLength === 0) continue;
        controller.enqueue(bytes);
        call.content?.delivered(bytes);
        return;
      }
    } catch (error) {
      if (call.clientGone) return;
      const { complete, usage } = this.#source.metered();
      if (complete && usage) {
        // What comes after the end is not read: the upstream's connection must not stay open for it.
        call.abort.abort(error);
        await this.#endWhole(controller);
      } else await this.#endBroken(error, controller);
      return;
    } finally {
      this.#isWaiting = false;
    }
    await this.#endWhole(controller);
  }

  cancel(): Promise<void> {
    return this.#leave(this.#isWhole());
  }

  // ── under watch ─────────────────────────────────────────────────────────────────────────────────────────────────────

  get isHeld(): boolean {
    return !this.#isWaiting;
  }
  get idleTimeoutMs(): number {
    return this.#limits.idleMs;
  }
  get stallTimeoutMs(): number {
    return this.#services.settings.stallTimeoutMs;
  }
  onIdle(): void {
    idleEnd(this.#call, this.#limits);
  }
  onEnd(): void {
    totalEnd(this.#call, this.#limits);
  }
  onSilence(): void {
    // An array has no place for a comment.
    if (this.#framing === "sse" && this.#isWaiting) this.#body?.enqueue(ping);
  }
  /** Nothing came because the client takes nothing: it counts as one that has left, or it would hold its money for ever. */
  onStalled(): void {
    this.#body?.error(new Error("the client reads nothing"));
    void this.#leave(false);
  }

  // ── the end ─────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** The client has everything: agents hang up at the terminal event, before the record lets the stream close. */
  #isWhole(): boolean {
    const { complete, usage, fault } = this.#source.metered();
    return this.#first === null && complete && usage !== null && fault === null;
  }

  async #leave(hasAll: boolean): Promise<void> {
    this.#unwatch();
    this.#call.clientGone = true;
    const left = { target: this.#target, isEmpty: this.#isEmpty, hasAll };
    await drain(this.#call, left, this.#source, this.#services);
  }

  async #endWhole(controller: ReadableStreamDefaultController<Uint8Array>): Promise<void> {
    this.#unwatch();
    const metered = this.#source.metered();
    if (!metered.complete && !metered.fault) {
      await this.#endBroken(brokenOff(), controller);
      return;
    }
    const fault = metered.fault ? faultOf(metered.fault) : null;
    await settle(this.#call, this.#outcome(fault ? "upstream_error" : "ok", fault), this.#services);
    this.#call.content?.finish();
    close(controller);
  }

  async #endBroken(thrown: unknown, controller: ReadableStreamDefaultController<Uint8Array>): Promise<void> {
    this.#unwatch();
    const call = this.#call;
    const source = this.#source;
    const error = reasonOf(call, thrown);
    // What the client is told is the same for all of them.
    if (error.cause !== undefined && !call.abort.aborted)
      this.#services.logger.warn(
        { callId: call.id, provider: this.#target.provider, error: error.cause },
        "a provider's answer broke off",
      );
    // Whoever broke it off, nothing more is read: the upstream's connection must not stay open for it.
    call.abort.abort(error);
    if (!call.stopped) this.#services.breakers.ended(this.#target, false, "failed", error.message);
    // A fault that the provider has told in its own words needs no second one of ours.
    const isTold = source.fail === undefined && source.metered().fault !== null;
    const status = call.stopped ? stoppedStatus(call.stopped) : "upstream_error";
    await settle(call, this.#outcome(status, error), this.#services);
    if (!isTold) {
      try {
        const told = bodyOf(call, error);
        const text = source.fail?.(told) ?? call.endpoint.dialect.encodeStreamError(told);
        const bytes = new TextEncoder().encode(text);
        controller.enqueue(bytes);
        call.content?.delivered(bytes);
      } catch {
        // The client left while the record was written.
      }
    }
    call.content?.finish();
    close(controller);
  }

  #outcome(status: Outcome["status"], error: GatewayError | null): Outcome {
    return { status, httpStatus: 200, target: this.#target, metered: this.#source.metered(), ...(error && { error }) };
  }
}

/** The client has left. What still comes is read for its real usage, as long as `startDrain` lets it. */
export async function drain(
  call: Call,
  { target, isEmpty, hasAll }: { readonly target: RouteTarget; readonly isEmpty: boolean; readonly hasAll: boolean },
  source: Source,
  services: Services,
): Promise<void> {
  const before = source.metered();
  startDrain(call, services);
  try {
    if (!isEmpty) while ((await source.next()) !== null);
  } catch (error) {
    // Cut by the end of the drain, or by the upstream: what was metered until then counts. Or it could not be read any
    // further, and the upstream's connection must not stay open for the rest.
    call.abort.abort(error);
  }
  const metered = source.metered();
  const drained = before.usage === null && metered.usage !== null;
  // Delivered bytes only: what was drained without usage never reached the client.
  const counted = metered.usage ? metered : { ...metered, contentBytes: before.contentBytes };
  const status = hasAll ? "ok" : "client_aborted";
  await settle(call, { status, httpStatus: 200, target, metered: counted, drained }, services);
  call.content?.finish();
}

function reasonOf(call: Call, thrown: unknown): GatewayError {
  const reason: unknown = call.abort.aborted ? call.abort.reason : thrown;
  return reason instanceof GatewayError ? reason : brokenOff(thrown);
}

function close(controller: ReadableStreamDefaultController<Uint8Array>) {
  try {
    controller.close();
  } catch {
    // Cancelled meanwhile.
  }
}
