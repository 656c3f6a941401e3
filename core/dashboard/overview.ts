import type { Bar } from "../../views/chart.ts";
import { clock, count, day, spentNano, usd } from "../../views/format.ts";
import { type Ends, overview, type Ranked } from "../../views/overview.ts";
import type { CallStatus, GroupField, UsageGroup } from "../storage/database.ts";
import { type Nano, plusNano } from "../storage/nano.ts";
import { dayMs, hourMs, startOfDay } from "../storage/range-parts.ts";
import { callLines, keyNames } from "./names.ts";
import type { PageDependencies, PageRoute } from "./route.ts";

/** Spend, calls, tokens and how calls ended; today and the last 30 days, both in UTC. */
export function overviewRoutes(dependencies: PageDependencies): readonly PageRoute[] {
  const { database, now } = dependencies;
  const { calls } = database;
  return [
    {
      method: "GET",
      path: "/dashboard",
      permission: "calls.read",
      answer: async (visit) => {
        const today = startOfDay(now());
        const range = { from: today - 29 * dayMs, to: today + dayMs };
        const [hours, days, byModel, byKey, latency, open, recent] = await Promise.all([
          calls.usage({ from: today, to: today + dayMs, groupBy: ["hour", "status"] }),
          calls.usage({ ...range, groupBy: ["day", "status"] }),
          calls.usage({ ...range, groupBy: ["model"] }),
          calls.usage({ ...range, groupBy: ["key"] }),
          calls.latency({ from: today, to: today + dayMs }),
          calls.openCount(),
          calls.list({}, { limit: 8 }),
        ]);
        const models = dearest(byModel.data);
        const keys = dearest(byKey.data);
        const names = await keyNames(
          database,
          keys.map((group) => idOf(group, "key")),
        );
        return visit.page(
          "Overview",
          "overview",
          overview({
            today: { ...hours.total, ...endsOf(hours.data) },
            month: { ...days.total, ...endsOf(days.data) },
            open,
            latency: latency.durationMs,
            range,
            spendByDay: times(range.from, dayMs, 30).map((startMs) => spendBar(startMs, at(days.data, "day", startMs))),
            callsByHour: times(today, hourMs, 24).map((startMs) => callsBar(startMs, at(hours.data, "hour", startMs))),
            models: models.map((group): Ranked => ({ ...group, name: idOf(group, "model") ?? "" })),
            keys: keys.map((group): Ranked => ({
              ...group,
              name: names.get(idOf(group, "key") ?? "") ?? "without a key",
            })),
            recent: await callLines(database, recent.data),
          }),
        );
      },
    },
  ];
}

const times = (firstMs: number, stepMs: number, length: number): readonly number[] =>
  Array.from({ length }, (_, index) => firstMs + index * stepMs);

const at = (groups: readonly UsageGroup[], field: GroupField, startMs: number): readonly UsageGroup[] =>
  groups.filter((group) => group.group[field] === startMs);

function spendBar(startMs: number, groups: readonly UsageGroup[]): Bar {
  const value = groups.reduce<Nano>((sum, group) => plusNano(sum, spentNano(group)), 0);
  return { label: day(startMs), value: Number(value), detail: `${usd(value)}, ${callsIn(groups)}` };
}

function callsBar(startMs: number, groups: readonly UsageGroup[]): Bar {
  const { failed, refused, left } = endsOf(groups);
  const told = [
    [failed, "failed"],
    [refused, "refused"],
    [left, "left by the client"],
  ] as const;
  const detail = told.filter(([calls]) => calls > 0).map(([calls, how]) => `, ${count(calls)} ${how}`);
  return {
    label: clock(startMs),
    value: total(groups, ({ calls }) => calls),
    bad: failed,
    detail: callsIn(groups) + detail.join(""),
  };
}

const total = (groups: readonly UsageGroup[], of: (group: UsageGroup) => number): number =>
  groups.reduce((sum, group) => sum + of(group), 0);

function endsOf(groups: readonly UsageGroup[]): Ends {
  const ended = (...statuses: readonly CallStatus[]) =>
    total(
      groups.filter(({ group }) => statuses.some((status) => status === group.status)),
      ({ calls }) => calls,
    );
  return {
    failed: ended("upstream_error", "interrupted", "shutdown"),
    refused: ended("refused"),
    left: ended("client_aborted"),
  };
}

function callsIn(groups: readonly UsageGroup[]): string {
  const calls = total(groups, (group) => group.calls);
  return calls === 1 ? "1 call" : `${count(calls)} calls`;
}

/** The six that cost most; calls decide among equals. */
const dearest = (groups: readonly UsageGroup[]): readonly UsageGroup[] =>
  [...groups]
    .sort((left, right) => compared(spentNano(left), spentNano(right)) || right.calls - left.calls)
    .slice(0, 6);
const compared = (left: Nano, right: Nano): number => (left === right ? 0 : right > left ? 1 : -1);

function idOf(group: UsageGroup, field: GroupField): string | null {
  const value = group.group[field];
  return value === undefined || value === null ? null : String(value);
}
