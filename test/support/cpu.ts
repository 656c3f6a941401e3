/** Milliseconds of processor time, the least of several tries: the same whatever else runs on the machine. */
export function cpuMsOf(work: () => void, tries = 4): number {
  let least = Number.POSITIVE_INFINITY;
  for (let at = 0; at < tries; at++) {
    const before = process.cpuUsage();
    work();
    const { user, system } = process.cpuUsage(before);
    least = Math.min(least, (user + system) / 1_000);
  }
  return least;
}
