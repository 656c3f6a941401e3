/** SIGHUP, which would end the process if nobody took it. */
export interface Hangups {
  /** From now on each calls `act`; once at once, if some came before. */
  whenReady(act: () => void): void;
}

/** Takes them from now on, while the process starts and while it drains too. */
export function takeHangups(): Hangups {
  let act: (() => void) | null = null;
  let waits = false;
  process.on("SIGHUP", () => {
    if (act) act();
    else waits = true;
  });
  return {
    whenReady(wanted) {
      act = wanted;
      if (waits) wanted();
    },
  };
}
