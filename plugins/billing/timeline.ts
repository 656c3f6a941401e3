/** What holds for one target over time. */
export interface Segment<Value> {
  /** Epoch milliseconds; the first of a timeline starts at −∞. */
  readonly fromMs: number;
  readonly value: Value;
}
/** Ascending, never empty. */
export type Timeline<Value> = readonly [Segment<Value>, ...Segment<Value>[]];

export const always = <Value>(value: Value): Timeline<Value> => [{ fromMs: Number.NEGATIVE_INFINITY, value }];

export function valueAt<Value>(timeline: Timeline<Value>, atMs: number): Value {
  let { value } = timeline[0];
  for (const segment of timeline) {
    if (segment.fromMs > atMs) break;
    value = segment.value;
  }
  return value;
}

/** What holds at some time in `[fromMs, toMs]`. */
export const valuesIn = <Value>(timeline: Timeline<Value>, fromMs: number, toMs: number): readonly Value[] =>
  timeline.length === 1
    ? [timeline[0].value]
    : [
        valueAt(timeline, fromMs),
        ...timeline.flatMap((segment) => (segment.fromMs > fromMs && segment.fromMs <= toMs ? [segment.value] : [])),
      ];

/** What two timelines say together. */
export function joined<Left, Right, Value>(
  left: Timeline<Left>,
  right: Timeline<Right>,
  of: (left: Left, right: Right) => Value,
): Timeline<Value> {
  const [, ...changes] = [...new Set([...left, ...right].map(({ fromMs }) => fromMs))].toSorted((a, b) => a - b);
  return [
    { fromMs: Number.NEGATIVE_INFINITY, value: of(left[0].value, right[0].value) },
    ...changes.map((fromMs) => ({ fromMs, value: of(valueAt(left, fromMs), valueAt(right, fromMs)) })),
  ];
}

/** One value of a claimant from a time on; `null`: the claimant stands back. */
export interface Dated<Value> {
  readonly fromMs: number;
  /** Who makes the claim: a later one of the same claimant takes the place of the earlier. */
  readonly claimant: string;
  /** At any time the highest rank that has a value holds. */
  readonly rank: number;
  readonly value: Value | null;
}

/** `below` holds while no claimant has a value. Of equal times and claimants the later in the list holds. */
export function timelineOf<Value>(below: Value, dated: readonly Dated<Value>[]): Timeline<Value> {
  const timeline: [Segment<Value>, ...Segment<Value>[]] = [{ fromMs: Number.NEGATIVE_INFINITY, value: below }];
  const standing = new Map<string, Dated<Value>>();
  const ascending = dated.toSorted((left, right) => left.fromMs - right.fromMs);
  for (const [at, claim] of ascending.entries()) {
    standing.set(claim.claimant, claim);
    if (ascending[at + 1]?.fromMs === claim.fromMs) continue;
    let highest: Dated<Value> | null = null;
    for (const one of standing.values())
      if (one.value !== null && (highest === null || one.rank > highest.rank)) highest = one;
    timeline.push({ fromMs: claim.fromMs, value: highest === null || highest.value === null ? below : highest.value });
  }
  return timeline;
}
