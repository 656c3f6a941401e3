import type { ProofCode, RepairHint } from "./condition.ts";

/** Of what must be right by itself there is no second copy to put it right from. */
const restore = {
  action:
    "Stop the proxy, keep the file aside, put the newest backup that doctor proves in its place, and start again. Calls made since that backup are missing from it then: compare with the providers' bills.",
  command:
    "mv llm-proxy.db llm-proxy.db.wrong; rm -f llm-proxy.db-wal llm-proxy.db-shm; cp BACKUP llm-proxy.db; bun core/main.ts doctor",
};

/** Of sums that are worked out anew from the records. */
const repair = {
  action: "Stop the proxy, make a backup, and let the sums be worked out anew from the records; then start again.",
  command: "bun core/main.ts backup BEFORE.db && bun core/main.ts doctor --repair",
};

/** What each fault means to an operator, and what to do about it. */
export const hints: Readonly<Record<ProofCode, RepairHint>> = {
  "file-damaged": {
    means:
      "Bytes of the database file are not what was written: a disk, a file system or another program changed them.",
    ...restore,
  },
  "reference-lost": {
    means: "A row names another one that is not there: something else than the proxy wrote into the database.",
    ...restore,
  },
  "call-twice": {
    means: "A call that has ended still holds money as if it were running.",
    action:
      "Stop the proxy and let the doctor delete what is left of it among the open calls; the record of its end is the right one.",
    command: repair.command,
  },
  "call-missing": {
    means: "Records of calls were taken out of the database, and not by retention, which keeps their sums.",
    ...restore,
  },
  "ledger-sum": {
    means:
      "The ledger does not say what the calls were charged in all: a record or an entry was changed, lost or made twice.",
    ...restore,
  },
  "ledger-entry": {
    means: "Of some calls the ledger says another charge than their record: one of the two was changed.",
    ...restore,
  },
  "deleted-sum": {
    means:
      "What is kept of calls that retention deleted is not what the ledger has of them: an entry or the kept sum was changed.",
    ...restore,
  },
  "rollup-sum": {
    means: "Reports and pages do not add up to the calls. The ledger and the budgets are not affected.",
    ...repair,
  },
  "call-unindexed": {
    means: "Lists of calls that are filtered leave some out. Nothing is lost, and no sum is wrong.",
    ...repair,
  },
  "balance-sum": {
    means: "A prepaid account has another balance than its credits and their expiry make.",
    ...restore,
  },
  "answer-broken": {
    means:
      "An answer that was kept for its Idempotency-Key is not whole, and would be replayed so. No sum is affected.",
    action: "Stop the proxy and let the doctor delete those answers: their keys are then free again.",
    command: repair.command,
  },
  "audit-broken": {
    means:
      "The log of changes is not what was written: an entry was changed, taken away or put in, by something else than the proxy.",
    action:
      "Stop the proxy and keep the file aside as evidence. The log goes on from where it is, and this stays wrong: find out from a backup, or from a head that was kept elsewhere, since when.",
    command: "bun core/main.ts backup EVIDENCE.db && bun core/main.ts doctor --json",
  },
  "window-negative": {
    means: "A budget has spent or holds less than nothing, so it would let more through than its limit.",
    ...repair,
  },
  "held-sum": {
    means: "Budgets hold money for calls that are not running, or too little for those that are.",
    ...repair,
  },
  "spent-sum": {
    means: "A budget has spent another sum than the calls it counts, so it refuses too early or too late.",
    ...repair,
  },
};
