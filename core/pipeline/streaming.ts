import { GatewayError } from "../chat/error.ts";
import type { Framing } from "../dialects/framing.ts";
import { isAllThere, type Source, type StreamedAnswer } from "./answer.ts";
import { bodyStream, type BodySource, type Outlet } from "../runtime/body-stream.ts";
import { nextOf, type Waiter } from "../runtime/upstream-response.ts";
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
 * Nothing is read that the client has no room for: a slow one slows the upstream instead of filling memory. However it ends, the call is settled
 * before the stream closes: whoever saw the end finds an exact row.
 */
export const streamOf = (
  call: Call,
  { target, first }: Dispatched,
  { source, framing = "sse" }: StreamedAnswer,
  services: Services,
): ReadableStream<Uint8Array> =>
  bodyStream(new Streaming({ call, target, source, framing, first, services }), call.request !== null);

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
class Streaming implements BodySource, Waiter, Watched {
  lastMs: number;
  saidMs: number;
  readonly endMs: number;
  readonly #call: Call;
  readonly #target: RouteTarget;
  readonly #source: Source;
  readonly #framing: Framing;
  readonly #services: Services;
  readonly #limits: StreamLimits;
  readonly #isEmpty: boolean;
  readonly #unwatch: () => void;
  /** Until the client has taken it. */
  #first: Uint8Array | null;
  #outlet: Outlet | null = null;
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
    this.saidMs = this.lastMs;
    this.endMs = call.arrivedMs + this.#limits.totalMs;
    this.#unwatch = services.watch.add(this);
  }

  // ── to the client ───────────────────────────────────────────────────────────────────────────────────────────────────

  opened(outlet: Outlet): void {
    this.#outlet = outlet;
    this.#goOn(this.#first ?? undefined);
  }

  left(): Promise<void> {
    return this.#leave(this.#isWhole());
  }

  /** `false`: the client has no room for more yet, and is asked for on its own when it has. */
  #gave(piece: Uint8Array): boolean {
    const taken = this.#outlet?.write(piece) ?? null;
    this.#call.content?.delivered(piece);
    if (taken === null) return true;
    this.#isWaiting = false;
    const goOn = () => this.#goOn();
    taken.then(goOn, goOn);
    return false;
  }

  // ── from the provider ───────────────────────────────────────────────────────────────────────────────────────────────

  came(piece: Uint8Array | null): void {
    this.#goOn(piece);
  }

  failed(error: unknown): void {
    const call = this.#call;
    this.#isWaiting = false;
    if (call.clientGone) return;
    if (isAllThere(this.#source.metered())) {
      // What comes after the end is not read: the upstream's connection must not stay open for it.
      call.abort.abort(error);
      this.#end(this.#endWhole());
    } else this.#end(this.#endBroken(error));
  }

  /** With what came, or else with what is next, as long as there is something and the client has room. Never throws. */
  #goOn(came?: Uint8Array | null): void {
    if (this.#call.clientGone) return;
    try {
      let piece = came === undefined ? this.#next() : came;
      while (piece !== undefined && this.#passed(piece)) piece = this.#next();
    } catch (error) {
      this.failed(error);
    }
  }

  #next(): Uint8Array | null | undefined {
    this.#first = null;
    this.#isWaiting = true;
    return this.#isEmpty ? null : this.#source.next(this);
  }

  /** Whether the next one is to be asked for. */
  #passed(piece: Uint8Array | null): boolean {
    this.lastMs = this.#services.watch.now();
    if (piece !== null) {
      if (piece.byteLength === 0) return true;
      this.saidMs = this.lastMs;
      return this.#gave(piece);
    }
    this.#isWaiting = false;
    this.#end(this.#endWhole());
    return false;
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
    if (!this.#isWaiting) return;
    // Nothing more comes where the answer is there: its connection was only left open.
    if (this.#isWhole()) this.onIdle();
    // An array has no place for a comment.
    else if (this.#framing === "sse") void this.#outlet?.write(ping);
  }
  /** Nothing came because the client takes nothing: it counts as one that has left, or it would hold its money for ever. */
  onStalled(): void {
    this.#outlet?.fail(new Error("the client reads nothing"));
    void this.#leave(false);
  }

  // ── the end ─────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** The client has everything: agents hang up at the terminal event, before the record lets the stream close. */
  #isWhole(): boolean {
    return this.#first === null && isAllThere(this.#source.metered());
  }

  async #leave(hasAll: boolean): Promise<void> {
    this.#unwatch();
    this.#call.clientGone = true;
    const left = { target: this.#target, isEmpty: this.#isEmpty, hasAll };
    await drain(this.#call, left, this.#source, this.#services);
  }

  #end(ending: Promise<void>): void {
    ending.catch((error: unknown) => this.#outlet?.fail(error instanceof Error ? error : new Error(String(error))));
  }

  async #endWhole(): Promise<void> {
    this.#unwatch();
    const metered = this.#source.metered();
    if (!metered.complete && !metered.fault) {
      await this.#endBroken(brokenOff());
      return;
    }
    const fault = metered.fault ? faultOf(metered.fault) : null;
    await settle(this.#call, this.#outcome(fault ? "upstream_error" : "ok", fault), this.#services);
    this.#call.content?.finish();
    this.#outlet?.end();
  }

  async #endBroken(thrown: unknown): Promise<void> {
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
      const told = bodyOf(call, error);
      const text = source.fail?.(told) ?? call.endpoint.dialect.encodeStreamError(told);
      const bytes = new TextEncoder().encode(text);
      void this.#outlet?.write(bytes);
      call.content?.delivered(bytes);
    }
    call.content?.finish();
    this.#outlet?.end();
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
  // One that took nothing was cut by us, though its client is seen to leave.
  const isShutdown = call.stopped !== null && stoppedStatus(call.stopped) === "shutdown";
  startDrain(call, services);
  try {
    if (!isEmpty) while ((await nextOf(source)) !== null);
  } catch (error) {
    // Cut by the end of the drain, or by the upstream: what was metered until then counts. Or it could not be read any
    // further, and the upstream's connection must not stay open for the rest.
    call.abort.abort(error);
  }
  const metered = source.metered();
  const drained = before.usage === null && metered.usage !== null;
  // Delivered bytes only: what was drained without usage never reached the client.
  const counted = metered.usage ? metered : { ...metered, contentBytes: before.contentBytes };
  const status = hasAll ? "ok" : isShutdown ? "shutdown" : "client_aborted";
  await settle(call, { status, httpStatus: 200, target, metered: counted, drained }, services);
  call.content?.finish();
}

function reasonOf(call: Call, thrown: unknown): GatewayError {
  const reason: unknown = call.abort.aborted ? call.abort.reason : thrown;
  return reason instanceof GatewayError ? reason : brokenOff(thrown);
}
