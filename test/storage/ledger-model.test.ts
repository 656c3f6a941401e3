import { expect, test } from "bun:test";
import fc from "fast-check";
import { seeded } from "../support/random.ts";
import { openAt, temporaryFolder } from "./folder.ts";
import { checkAll, checkSums } from "./ledger-checks.ts";
import { schedule } from "./ledger-steps.ts";
import { Subject } from "./ledger-subject.ts";

const folder = temporaryFolder();
/** How many entries of a schedule pass between two looks at everything. */
const entriesPerLook = 60;
/** Each has some 820 steps; these never come to less than 100,000. */
const schedules = 126;
/** Where the windows of the calendar are depends on the time: with both the same schedules come again. */
const { seed } = seeded("the schedules");
const beginMs = Number(process.env.LLM_PROXY_TEST_NOW ?? Date.now());
console.log(`which begin at LLM_PROXY_TEST_NOW=${beginMs}`);

test("100,000 steps of random schedules: the ledger agrees with plain arithmetic after each, and proves clean", async () => {
  const empty = folder.file();
  await (await openAt(empty)).close();
  const counts = { steps: 0, admitted: 0, denied: 0 };
  const before = process.cpuUsage();
  await fc.assert(
    fc.asyncProperty(schedule, async (entries) => {
      const subject = await Subject.open(empty, folder.file, beginMs);
      try {
        for (const [at, entry] of entries.entries()) {
          const done = await subject.take(entry);
          counts.steps += done;
          if (done > 0) checkSums(subject);
          if (at % entriesPerLook === 0) await checkAll(subject);
        }
        // In the end all holds are gone.
        counts.steps += await subject.take({ kind: "crash", policy: "input", lost: [] });
        await checkAll(subject);
        expect(subject.store.rows("SELECT * FROM v_budget WHERE held_nano <> 0")).toEqual([]);
      } finally {
        await subject.store.close();
      }
      counts.admitted += subject.model.charges.length;
      counts.denied += subject.model.denied;
    }),
    { numRuns: schedules, endOnFailure: true, seed },
  );
  const { user, system } = process.cpuUsage(before);
  console.log(`${JSON.stringify(counts)} in ${((user + system) / 1e6).toFixed(1)} s of CPU`);
  // A ledger that admits or denies nearly everything would not be tested.
  expect(Math.min(counts.admitted, counts.denied)).toBeGreaterThan(counts.steps / 10);
  expect(counts.steps).toBeGreaterThanOrEqual(100_000);
}, 600_000);
