import { choice } from "./budget-form.ts";
import type { Html } from "./html.ts";

/** Whether prompts and answers are kept: the value of each choice, the empty one to say nothing. */
export const contentChoice = (chosen: string, inherited: string, mayForbid: boolean): Html =>
  choice(
    "content",
    [
      ["", inherited],
      ["on", "kept"],
      ["off", "not kept"],
      ...(mayForbid ? [["forbid", "never kept, also below"] as const] : []),
    ],
    chosen,
  );
