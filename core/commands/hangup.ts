/** SIGHUP, which would end the process if nobody took it. */
export interface Hangups {
  /** From now on each calls `act`; once at once, if some came before. */
  whenReady(act: () => void): void;
}

/**
 * Takes them from now on, while the process starts and while it drains too. In a container also what ends a start, until it
 * is ready.
 */
export function takeHangups(): Hangups {
  const startsOn = endedWhileStarting();
  let act: (() => void) | null = null;
  let waits = false;
  process.on("SIGHUP", () => {
    if (act) act();
    else waits = true;
  });
  return {
    whenReady(wanted) {
      startsOn();
      act = wanted;
      if (waits) wanted();
    },
  };
}

const endings = ["SIGTERM", "SIGINT"] as const;
/** What a shell tells of a process that SIGTERM ended. */
const endedCode = 143;

/**
 * The first process of a container gets no signal that it does not take: told to end, it would go on to serve, until it is
 * killed. Nothing is half done: what is written is written in transactions. Returns what gives the signals back.
 */
function endedWhileStarting(): () => void {
  if (process.pid !== 1) return () => {};
  const end = () => process.exit(endedCode);
  for (const signal of endings) process.on(signal, end);
  return () => {
    for (const signal of endings) process.off(signal, end);
  };
}
