import { setImmediate } from "node:timers";

/**
 * The end of a turn of the event loop, when all that the network had has been read: first those who waited for it go on
 * side by side, then what they asked for at its end is done. So fifty calls take each step one after the other, and its
 * code stays in the processor's cache; taken one by one from end to end, each call would find it gone.
 */
interface Crowd {
  waits: Promise<void> | null;
  go: () => void;
}

const arrived: Crowd = { waits: null, go: () => {} };
const answered: Crowd = { waits: null, go: () => {} };
let lasts: (() => void)[] = [];
let isPlanned = false;

/** Resolves, for all calls at once that came in this turn, when everything in it has been read. */
export const arrivals = (): Promise<void> => gathered(arrived);

/** The same for calls whose provider has answered: each crowd takes its own steps. */
export const answers = (): Promise<void> => gathered(answered);

/** Lets the others come as far as this first: a piece of code that does not fit the cache is better taken as two. */
export const step: Promise<void> = Promise.resolve();

/** Runs `work` at the end of this turn, when the crowds have come as far as they get without waiting. */
export function atTurnEnd(work: () => void): void {
  plan();
  lasts.push(work);
}

function gathered(crowd: Crowd): Promise<void> {
  plan();
  return (crowd.waits ??= new Promise((resolve) => (crowd.go = resolve)));
}

function plan() {
  if (isPlanned) return;
  isPlanned = true;
  // What a promise leads to is done between one and the next.
  setImmediate(goOn, arrived);
  setImmediate(goOn, answered);
  setImmediate(finish);
}

function goOn(crowd: Crowd) {
  crowd.waits = null;
  crowd.go();
}

function finish() {
  const works = lasts;
  lasts = [];
  isPlanned = false;
  // Who came when its crowd had gone on already.
  if (arrived.waits !== null || answered.waits !== null) plan();
  let begun = 0;
  try {
    for (const work of works) {
      begun += 1;
      work();
    }
  } finally {
    // What one throws is for whoever listens for what nobody caught, and none of the others' business.
    if (begun < works.length) {
      lasts.push(...works.slice(begun));
      plan();
    }
  }
}
