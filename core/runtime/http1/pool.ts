import { Connection, type ConnectionEvents } from "./connection.ts";
import { connectable } from "../connect.ts";
import type { Exchange } from "./exchange.ts";
import { asError } from "./fault.ts";
import { hastyPeers } from "./hasty-peers.ts";
import type { Place } from "./place.ts";

/** Of one place. More at once are opened, and closed when they have nothing to do. */
const maxIdle = 512;
/** Load balancers close what is silent for 60 s, and a request that meets that is lost. */
const maxIdleMs = 50_000;
/** Of what the peer says it keeps: a request takes its time to get there. */
const marginMs = 1_000;
/** One that was silent for longer is looked at before it is used: its end may have come and not been read yet. */
const freshMs = 500;
const sweepMs = 10_000;
const maxUnanswered = 1_000;

export interface Pool {
  /** Sends it on a connection that is idle, or else on a new one. */
  send(place: Place, exchange: Exchange): void;
}

/** Nothing is sent twice: of a connection that ends after a request was sent, nobody knows whether the peer had read it. */
export function connectionPool(now: () => number): Pool {
  /** By place; the one that was used last is the last. */
  const idle = new Map<string, Connection[]>();
  let timer: ReturnType<typeof setTimeout> | null = null;
  /** Places that nothing answered at, the last time. */
  const unanswered = new Set<string>();
  const hasty = hastyPeers();

  const events: ConnectionEvents = {
    idle(connection) {
      const nowMs = (connection.idleSinceMs = now());
      if (hasty.isNone || hasty.allows(connection, nowMs)) keep(connection);
      else connection.cut();
    },
    closed(connection) {
      const line = idle.get(connection.place.key);
      const at = line?.lastIndexOf(connection) ?? -1;
      if (at !== -1) line?.splice(at, 1);
    },
    unanswered({ key }) {
      if (unanswered.size >= maxUnanswered) unanswered.clear();
      unanswered.add(key);
    },
    connected: ({ key }) => void (unanswered.size > 0 && unanswered.delete(key)),
    lost: (connection) => hasty.lost(connection, now()),
  };

  function keep(connection: Connection) {
    const { key } = connection.place;
    let line = idle.get(key);
    if (!line) idle.set(key, (line = []));
    if (line.length >= maxIdle) {
      connection.cut();
      return;
    }
    line.push(connection);
    timer ??= unheld(setTimeout(sweep, sweepMs));
  }

  function sweep() {
    timer = null;
    const nowMs = now();
    for (const [key, line] of idle) {
      for (const connection of line.filter((one) => isOver(one, nowMs))) connection.cut();
      if (line.length === 0) idle.delete(key);
    }
    if (idle.size > 0) timer = unheld(setTimeout(sweep, sweepMs));
  }

  function send(place: Place, exchange: Exchange): void {
    const known = exchange.outgoing?.isAlone ? undefined : idle.get(place.key)?.pop();
    if (!known) {
      if (unanswered.has(place.key)) void connectWarily(place, exchange);
      else void new Connection(place, exchange, events);
      return;
    }
    const nowMs = now();
    // The sweep may be late: of a process that was stopped for a while, or a machine that slept.
    if (isOver(known, nowMs)) {
      known.cut();
      send(place, exchange);
    } else if (nowMs - known.idleSinceMs <= freshMs) carry(known, exchange, nowMs);
    // Between the two the runtime reads what has come.
    else setImmediate(() => setImmediate(() => sendLooked(known, exchange)));
  }

  /**
   * Bun has no way to close a socket that is still connecting: where packets get lost, each call would hold a file
   * descriptor for minutes. One of `node:net` can be closed, and goes ahead.
   */
  async function connectWarily(place: Place, exchange: Exchange) {
    try {
      await connectable(place, false, exchange.connectMs, exchange.signal);
      if (!exchange.isOver) void new Connection(place, exchange, events);
    } catch (error) {
      exchange.fail(asError(error));
    }
  }

  function sendLooked(known: Connection, exchange: Exchange) {
    if (!known.isOpen) {
      if (!exchange.isOver) send(known.place, exchange);
    } else if (exchange.isOver) keep(known);
    else carry(known, exchange, now());
  }

  return { send };
}

function carry(known: Connection, exchange: Exchange, nowMs: number) {
  known.idleForMs = nowMs - known.idleSinceMs;
  known.reuses += 1;
  known.carry(exchange);
}

const isOver = ({ idleSinceMs, keptMs }: Connection, nowMs: number): boolean =>
  nowMs - idleSinceMs >= Math.min(maxIdleMs, keptMs - marginMs);

/** It does not keep the process alive. */
function unheld(timer: ReturnType<typeof setTimeout>): ReturnType<typeof setTimeout> {
  timer.unref?.();
  return timer;
}
