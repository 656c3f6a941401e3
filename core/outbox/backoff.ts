import { longestPauseMs } from "../storage/outbox.ts";

/** The first pause after a failure. */
const firstMs = 1_000;

/**
 * How long to wait after that many failures: doubled each time up to an hour, less up to half of it, so that what failed
 * together does not come again together. `random`: uniform in [0, 1).
 */
export const backoffMs = (failures: number, random: number): number =>
  Math.round(Math.min(firstMs * 2 ** Math.min(failures - 1, 30), longestPauseMs) * (1 - random / 2));

/** What a receiver asks for itself is kept, up to the longest pause. */
export const pauseMs = (failures: number, random: number, askedSeconds: number | undefined): number =>
  Math.max(backoffMs(failures, random), Math.min((askedSeconds ?? 0) * 1_000, longestPauseMs));
