import { redirect } from "./page.ts";
import { type FieldLabels, refusalOf } from "./refusal.ts";
import type { Visit } from "./route.ts";

/** What the forms about one kind of object share. */
export interface ObjectPages {
  /** The page of the object that a form is about. */
  readonly pathOf: (visit: Visit) => string;
  /** That page again, with what is wrong; status 422. */
  readonly again: (visit: Visit, error: string) => Promise<Response>;
  /** What its forms call otherwise than the others. */
  readonly labels?: FieldLabels;
}

/** Makes the change that a form asks for. `false` or `null`: there is no such object. May throw what is wrong. */
export type ChangeByForm = (visit: Visit, id: string) => Promise<object | boolean | null>;

/** A form that changes an object ends on its page, or where `to` says; and on its page too where something is wrong. */
export const changesOf =
  ({ pathOf, again, labels }: ObjectPages) =>
  (change: ChangeByForm, to?: string) =>
  async (visit: Visit): Promise<Response> => {
    try {
      const done = await change(visit, visit.params["id"] ?? "");
      return done ? redirect(to ?? pathOf(visit)) : visit.notFound();
    } catch (error) {
      return await again(visit, refusalOf(error, labels));
    }
  };
