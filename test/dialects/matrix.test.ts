import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { matrixRows } from "../contract/matrix.ts";
import { combinations, matrixTable } from "../contract/matrix-table.ts";
import { translation } from "../support/translated.ts";

for (const row of matrixRows(translation)) {
  test(`${row.side}: ${row.feature}: nothing is lost in silence`, async () => {
    for (const [client, target] of combinations()) {
      const outcome = await row.outcome(client, target);
      expect(`${client.name} → ${target.name}: ${outcome}`).not.toEndWith("lost");
      // A relay changes nothing.
      if (client.name === target.name) expect(["carried", "no word"]).toContain(outcome);
    }
  });
}

test("the README shows the matrix as it is", async () => {
  const cells = (text: string) => text.replaceAll(/ +/g, " ").replaceAll(/:?-+:?/g, "-");
  const readme = readFileSync(new URL("../../README.md", import.meta.url), "utf8");
  expect(cells(readme)).toContain(cells(await matrixTable(translation)));
});
