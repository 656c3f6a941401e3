import { expect, test } from "bun:test";

/**
 * Declare or fail: what a plugin leaves out must be named in `skip`, and what is named there must be absent. Prints what
 * is left out, so that it is seen and never counted as passed.
 */
export function testDeclared<Name extends string>(
  subject: string,
  skip: readonly Name[],
  present: () => Promise<Readonly<Record<Name, boolean>>>,
): void {
  for (const name of skip) console.log(`skipped: ${subject} has no ${name}, as declared`);
  test("what it leaves out is declared", async () => {
    const absent = Object.entries(await present()).flatMap(([name, there]) => (there ? [] : [name]));
    expect(absent.toSorted()).toEqual([...skip].toSorted());
  });
}
