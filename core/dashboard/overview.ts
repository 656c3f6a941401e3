import type { Bar } from "../../views/chart.ts";
import { clock, count, day, usd } from "../../views/format.ts";
import { overview, type Ranked } from "../../views/overview.ts";
import type { GroupField, UsageGroup } from "../storage/database.ts";
import { guard } from "./guard.ts";
import { callLines, keyNames } from "./names.ts";
import type { DashboardDependencies, DashboardRoute } from "./route.ts";
import type { Sessions } from "./session.ts";

/** Spend, calls, tokens and errors; today and the last 30 days, both in UTC. */
export function overviewRoutes(dependencies: DashboardDependencies, sessions: Sessions): readonly DashboardRoute[] {
  const { database, now } = dependencies;
  const { calls } = database;
  return [
    {
      method: "GET",
      path: "/dashboard",
      access: "session",
      handle: guard(dependencies, sessions, async (visit) => {
        const today = Math.floor(now() / dayMs) * dayMs;
        const range = { from: today - 29 * dayMs, to: today + dayMs };
        const [hours, days, byModel, byKey, open, recent] = await Promise.all([
          calls.usage({ from: today, to: today + dayMs, groupBy: ["hour"] }),
          calls.usage({ ...range, groupBy: ["day"] }),
          calls.usage({ ...range, groupBy: ["model"] }),
          calls.usage({ ...range, groupBy: ["key"] }),
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
            today: hours.total,
            month: days.total,
            open,
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
      }),
    },
  ];
}

const hourMs = 3_600_000;
const dayMs = 24 * hourMs;

const times = (firstMs: number, stepMs: number, length: number): readonly number[] =>
  Array.from({ length }, (_, index) => firstMs + index * stepMs);

const at = (groups: readonly UsageGroup[], field: GroupField, startMs: number): UsageGroup | undefined =>
  groups.find((group) => group.group[field] === startMs);

function spendBar(startMs: number, group: UsageGroup | undefined): Bar {
  return {
    label: day(startMs),
    value: group?.costNano ?? 0,
    detail: `${usd(group?.costNano ?? 0)}, ${callsIn(group)}`,
  };
}

function callsBar(startMs: number, group: UsageGroup | undefined): Bar {
  const errors = group?.errors ?? 0;
  const detail = errors === 0 ? callsIn(group) : `${callsIn(group)}, ${count(errors)} with an error`;
  return { label: clock(startMs), value: group?.calls ?? 0, bad: errors, detail };
}

const callsIn = (group: UsageGroup | undefined): string =>
  group?.calls === 1 ? "1 call" : `${count(group?.calls ?? 0)} calls`;

/** The six that cost most; calls decide among equals. */
const dearest = (groups: readonly UsageGroup[]): readonly UsageGroup[] =>
  [...groups].sort((left, right) => right.costNano - left.costNano || right.calls - left.calls).slice(0, 6);

function idOf(group: UsageGroup, field: GroupField): string | null {
  const value = group.group[field];
  return value === undefined || value === null ? null : String(value);
}
