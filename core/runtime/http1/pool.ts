import { Connection, type ConnectionEvents } from "./connection.ts";
import type { Exchange } from "./exchange.ts";
import type { Place } from "./place.ts";

/** Of one place. More at once are opened, and closed when they have nothing to do. */
const maxIdle = 512;
/** Load balancers close what is silent for 60 s, and a request that meets that is lost or sent twice. */
const maxIdleMs = 50_000;
const sweepMs = 10_000;

/**
 * What says that the peer had ended the connection before the request came is on its way already, and is here within a
 * round trip; what comes later may come from one who has read it. At least so much, because our own loop may be late.
 */
const minStaleMs = 20;
const maxStaleMs = 1_000;

export interface Pool {
  /** Sends it on a connection that is idle, or else on a new one. */
  send(place: Place, exchange: Exchange): void;
}

export function connectionPool(now: () => number): Pool {
  /** By place; the one that was used last is the last. */
  const idle = new Map<string, Connection[]>();
  let timer: ReturnType<typeof setTimeout> | null = null;

  const events: ConnectionEvents = {
    idle(connection) {
      const { key } = connection.place;
      let line = idle.get(key);
      if (!line) idle.set(key, (line = []));
      if (line.length >= maxIdle) {
        connection.cut();
        return;
      }
      connection.idleSinceMs = now();
      line.push(connection);
      timer ??= unheld(setTimeout(sweep, sweepMs));
    },
    closed(connection) {
      const line = idle.get(connection.place.key);
      const at = line?.lastIndexOf(connection) ?? -1;
      if (at !== -1) line?.splice(at, 1);
    },
    stale(connection, exchange) {
      const staleMs = Math.min(Math.max(connection.madeInMs, minStaleMs), maxStaleMs);
      if (now() - connection.sentMs > staleMs) return false;
      void new Connection(connection.place, exchange, events);
      return true;
    },
  };

  function sweep() {
    timer = null;
    const oldestMs = now() - maxIdleMs;
    for (const [key, line] of idle) {
      for (const connection of line.filter(({ idleSinceMs }) => idleSinceMs <= oldestMs)) connection.cut();
      if (line.length === 0) idle.delete(key);
    }
    if (idle.size > 0) timer = unheld(setTimeout(sweep, sweepMs));
  }

  return {
    send(place, exchange) {
      const known = exchange.outgoing?.isAlone ? undefined : idle.get(place.key)?.pop();
      // The sweep may be late: of a process that was stopped for a while, or a machine that slept.
      const isOld = known !== undefined && now() - known.idleSinceMs >= maxIdleMs;
      if (isOld) known.cut();
      if (known === undefined || isOld) {
        void new Connection(place, exchange, events);
        return;
      }
      known.sentMs = now();
      known.carry(exchange);
    },
  };
}

/** It does not keep the process alive. */
function unheld(timer: ReturnType<typeof setTimeout>): ReturnType<typeof setTimeout> {
  timer.unref?.();
  return timer;
}
