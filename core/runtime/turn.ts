import { setImmediate } from "node:timers";

/**
 * The end of a turn of the event loop, when all that the network had has been read, in two parts: first all who waited for
 * it go on side by side, then what they asked for at its end is done. So fifty calls take each step one after the other,
 * and its code stays in the processor's cache; taken one by one from end to end, each call would find it gone.
 */
let gathering: Promise<void> | null = null;
let release: () => void = () => {};
let lasts: (() => void)[] = [];
let isPlanned = false;

/** Resolves, for all at once, when everything that came in this turn has been read. */
export function gathered(): Promise<void> {
  plan();
  return (gathering ??= new Promise((resolve) => (release = resolve)));
}

/** Runs `work` at the end of this turn, when those who were gathered have come as far as they get without waiting. */
export function atTurnEnd(work: () => void): void {
  plan();
  lasts.push(work);
}

function plan() {
  if (isPlanned) return;
  isPlanned = true;
  // What a promise leads to is done between the two.
  setImmediate(goOn);
  setImmediate(finish);
}

function goOn() {
  gathering = null;
  release();
}

function finish() {
  const works = lasts;
  lasts = [];
  isPlanned = false;
  for (const work of works) work();
}
