import { expect, test } from "bun:test";
import { budgetPage } from "../../views/budget.ts";
import { budgetLine } from "./hostile-lines.ts";

test("a budget's page says since when it counts: from its window's start, or its own where that came later", () => {
  const windowStartMs = Date.UTC(2027, 0, 4);
  const terms = { values: { usd: "", onShortfall: "cap", admission: "bound", alertPercents: "" }, marks: {} };
  const shown = (createdMs: number): string => {
    const budget = { ...budgetLine("b"), window: "week", windowStartMs, createdMs };
    return (
      /Window<\/dt>[\s\S]*?<time[^>]*datetime="([^"]+)"/.exec(
        String(budgetPage({ budget, terms, increase: { usd: "", until: "" }, error: null, csrf: "c" })),
      )?.[1] ?? ""
    );
  };
  expect(shown(windowStartMs - 1)).toBe("2027-01-04T00:00:00.000Z");
  expect(shown(Date.UTC(2027, 0, 6, 12))).toBe("2027-01-06T12:00:00.000Z");
});
