import { GatewayError } from "../chat/error.ts";
import type { Target } from "../plugin/plugin.ts";
import { type Call, stopCall } from "./call.ts";

/** How long is waited, in ms; `Infinity`: for ever. */
export interface Timeouts {
  readonly connectMs: number;
  /** From sending the request to the first byte of the answer, or to all of an answer that is no stream. */
  readonly firstByteMs: number;
  /** Between two pieces of an answer. */
  readonly idleMs: number;
  /** From the arrival of the call to the end of its answer. */
  readonly totalMs: number;
}
/** What is left out, or undefined, is as it would be otherwise. */
export type OwnTimeouts = { readonly [Name in keyof Timeouts]?: number | undefined };

export interface TimeoutRules extends Omit<Timeouts, "totalMs"> {
  readonly totalMs?: number;
  readonly providers: Readonly<Record<string, OwnTimeouts>>;
  /** By alias, or by `instance/model`, perhaps with `*` at the end. */
  readonly models: Readonly<Record<string, OwnTimeouts>>;
}
/** What holds for a target of a call; `asked`: the model as the client named it. */
export type TimeoutBook = (asked: string, target: Pick<Target, "provider" | "model">) => Timeouts;

/**
 * A target's own go before its provider's, and those before the ones of all. Where the alias that was asked for has the
 * same one as the target, the shorter holds.
 */
export function timeoutBook({ providers, models, ...rules }: TimeoutRules): TimeoutBook {
  const all: Timeouts = { ...rules, totalMs: rules.totalMs ?? Infinity };
  const ofProviders = new Map(Object.entries(providers).map(([name, own]) => [name, over(all, own)]));
  const ofModels = new Map(Object.entries(models));
  // The longest that fits is the most exact one.
  const patterns = [...ofModels]
    .filter(([name]) => name.endsWith("*"))
    .map(([name, own]) => ({ start: name.slice(0, -1), own }))
    .toSorted((left, right) => right.start.length - left.start.length);
  const ofTarget = (name: string): OwnTimeouts | undefined =>
    ofModels.get(name) ?? patterns.find(({ start }) => name.startsWith(start))?.own;

  return (asked, { provider, model }) => {
    const base = ofProviders.get(provider) ?? all;
    if (ofModels.size === 0) return base;
    const name = `${provider}/${model}`;
    const [alias, target] = [asked === name ? undefined : ofModels.get(asked), ofTarget(name)];
    if (alias === undefined || target === undefined) return over(base, target ?? alias ?? {});
    return over(over(over(base, alias), target), shortest(target, alias));
  };
}

const over = (base: Timeouts, own: OwnTimeouts): Timeouts => ({
  connectMs: own.connectMs ?? base.connectMs,
  firstByteMs: own.firstByteMs ?? base.firstByteMs,
  idleMs: own.idleMs ?? base.idleMs,
  totalMs: own.totalMs ?? base.totalMs,
});

/** Of those that both have. */
function shortest(one: OwnTimeouts, other: OwnTimeouts): OwnTimeouts {
  const of = (name: keyof Timeouts) => {
    const [left, right] = [one[name], other[name]];
    return left === undefined || right === undefined ? undefined : Math.min(left, right);
  };
  return {
    connectMs: of("connectMs"),
    firstByteMs: of("firstByteMs"),
    idleMs: of("idleMs"),
    totalMs: of("totalMs"),
  };
}

// ── the caller's own ──────────────────────────────────────────────────────────────────────────────────────────────────

const header = "x-llm-proxy-timeouts";
const names: ReadonlyMap<string, keyof Timeouts> = new Map([
  ["connect", "connectMs"],
  ["first-byte", "firstByteMs"],
  ["idle", "idleMs"],
  ["total", "totalMs"],
]);

/**
 * `first-byte=20000, total=60000`, in ms: a caller may wait for less than the operator allows, never for more.
 * `null`: it says nothing. Throws `invalid-request`.
 */
export function callersTimeouts(headers: Headers): OwnTimeouts | null {
  const text = headers.get(header);
  if (text === null) return null;
  const own: { -readonly [Name in keyof Timeouts]?: number } = {};
  for (const part of text.split(",")) {
    const [, word = "", digits] = /^\s*([a-z-]+)=(\d{1,12})\s*$/.exec(part) ?? [];
    const [name, ms] = [names.get(word), Number(digits)];
    if (name === undefined || !(ms >= 1) || own[name] !== undefined)
      throw new GatewayError("invalid-request", `${header}: expected ${[...names.keys()].join(", ")} as name=ms`, {
        code: "invalid_timeouts",
      });
    own[name] = ms;
  }
  return own;
}

/** What a call, or an attempt for a connection, is ended with whose caller waits no longer. */
export const callersOwn = "caller_timeout";
const callersEnd = (ms: number): GatewayError =>
  new GatewayError("upstream-timeout", `the caller allows no more than ${ms} ms`, { code: callersOwn });

/** What a call is ended with whose client has left, when nothing more is waited for. */
export const clientLeft = "client_left";

/**
 * What the record says of a call that was stopped on this side. A caller that waits no longer counts as one that left:
 * else whoever asks for 1 ms would get for nothing what the provider bills.
 */
export function stoppedStatus({ kind, details }: GatewayError): "client_aborted" | "upstream_error" | "shutdown" {
  if (details.code === callersOwn || details.code === clientLeft) return "client_aborted";
  return kind === "upstream-timeout" ? "upstream_error" : "shutdown";
}

// ── what is cut ───────────────────────────────────────────────────────────────────────────────────────────────────────

type Timed = Pick<Call, "arrivedMs" | "attempts" | "ownTimeouts">;

/** Which limit an attempt would meet first. Its reason is made when it is met, which is rare: an error gathers its stack. */
export interface Cut {
  /** From now on; 0: there is no time left. */
  readonly ms: number;
  /** The caller's ends the call; otherwise another target may be asked. */
  readonly by: "caller" | "first-byte" | "attempts";
  /** The whole of that limit. */
  readonly limitMs: number;
  /** It began late, and has less time than its provider may take: that says nothing of the provider. */
  readonly isLate: boolean;
}

/**
 * `attemptsMs`: what all attempts of a call may take, from its arrival. `nowMs`: by the watch's clock. `hasWaited`: for a
 * place at a provider, this one or one before.
 */
export function cutOfAttempt(call: Timed, limits: Timeouts, attemptsMs: number, nowMs: number, hasWaited = false): Cut {
  const { arrivedMs, attempts, ownTimeouts: own } = call;
  const { firstByteMs } = limits;
  const spentMs = Math.floor(nowMs - arrivedMs);
  const totalMs = Math.min(limits.totalMs, attemptsMs);
  const ownMs = Math.min(own?.firstByteMs ?? Infinity, (own?.totalMs ?? Infinity) - spentMs);
  if (ownMs < Math.min(firstByteMs, totalMs - spentMs))
    return { ms: Math.max(ownMs, 0), by: "caller", limitMs: Math.round(ownMs + spentMs), isLate: false };
  if (firstByteMs <= totalMs - spentMs)
    return { ms: firstByteMs, by: "first-byte", limitMs: firstByteMs, isLate: false };
  const ms = Math.max(totalMs - spentMs, 0);
  return { ms, by: "attempts", limitMs: totalMs, isLate: hasWaited || attempts.length > 0 || ms === 0 };
}
export const attemptsOver = "attempts_timeout";

export function cutReason({ by, limitMs, isLate }: Cut): GatewayError {
  if (by === "caller") return callersEnd(limitMs);
  if (by === "first-byte") return new GatewayError("upstream-timeout", `the provider sent nothing for ${limitMs} ms`);
  const details = isLate ? { code: attemptsOver } : {};
  return new GatewayError("upstream-timeout", `there was no answer within ${limitMs} ms`, details);
}

/** Cuts the attempt in flight when its time is over, unless the timer is cleared before. Throws when there is no time left. */
export function cutLater(call: Call, cut: Cut): NodeJS.Timeout {
  if (cut.ms > 0) return setTimeout(cutNow, cut.ms, call, cut);
  cutNow(call, cut);
  throw call.abort.reason;
}

function cutNow(call: Call, cut: Cut): void {
  const reason = cutReason(cut);
  if (cut.by === "caller") stopCall(call, reason);
  else call.abort.abort(reason);
}

/** Of a stream that has begun. */
export interface StreamLimits {
  /** The shorter of the provider's silence that is borne and that of the caller. */
  readonly idleMs: number;
  /** The shorter of what the whole call may take and what the caller allows for it. */
  readonly totalMs: number;
  readonly limits: Timeouts;
}

export const limitsOfStream = ({ ownTimeouts: own }: Pick<Call, "ownTimeouts">, limits: Timeouts): StreamLimits => ({
  idleMs: Math.min(own?.idleMs ?? Infinity, limits.idleMs),
  totalMs: Math.min(own?.totalMs ?? Infinity, limits.totalMs),
  limits,
});

/** What ends it for its silence. */
export function idleEnd(call: Call, { idleMs, limits }: StreamLimits): void {
  if (idleMs < limits.idleMs) stopCall(call, callersEnd(idleMs));
  else call.abort.abort(new GatewayError("upstream-timeout", `the provider sent nothing for ${idleMs} ms`));
}

/** What ends it when its time is over. */
export function totalEnd(call: Call, { totalMs, limits }: StreamLimits): void {
  const reason = new GatewayError("upstream-timeout", `the answer did not end within ${totalMs} ms`);
  stopCall(call, totalMs < limits.totalMs ? callersEnd(totalMs) : reason);
}
