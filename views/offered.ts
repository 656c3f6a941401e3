interface Choice {
  readonly id: string;
  readonly name: string;
  /** In a tree. */
  readonly depth?: number;
}

/** What is chosen too, where it is not, or no longer, among the rest: else a browser shows and sends another one. */
export const offered = (choices: readonly Choice[], chosen: string): readonly Choice[] =>
  chosen === "" || choices.some(({ id }) => id === chosen) ? choices : [...choices, { id: chosen, name: chosen }];
