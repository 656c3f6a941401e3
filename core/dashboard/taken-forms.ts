import { createHash } from "node:crypto";

/**
 * Forms that make something or move money are taken once: they carry an id (`once`), and one that is sent again, by a
 * second click or a reload, gets the answer that it led to before and does nothing. A form that was changed in between
 * is another one. In memory and bounded: each process knows those that it took itself.
 */
export interface TakenForms {
  /** `sender`: the session; what was done in one is no answer for another. */
  once(
    sender: string,
    request: Request,
    form: URLSearchParams | null,
    take: () => Promise<Response>,
  ): Promise<Response>;
  /** The answer that a form led to before; `null`: it was not taken. */
  again(sender: string, request: Request, form: URLSearchParams | null): Promise<Response | null>;
}

export function createTakenForms(now: () => number): TakenForms {
  /** In the order in which they came. */
  const taken = new Map<string, { readonly atMs: number; readonly answer: Promise<Response> }>();
  function forgetOld(): void {
    for (const [place, { atMs }] of taken) {
      if (taken.size <= maxTaken && now() - atMs < keptMs) return;
      taken.delete(place);
    }
  }
  /** Kept whole, and given away in copies: a body is read once. */
  const copyAt = async (place: string): Promise<Response | null> => (await taken.get(place)?.answer)?.clone() ?? null;

  return {
    async again(sender, request, form) {
      forgetOld();
      const place = placeOf(sender, request, form);
      return place === null ? null : copyAt(place);
    },
    async once(sender, request, form, take) {
      forgetOld();
      const place = placeOf(sender, request, form);
      if (place === null) return take();
      const before = taken.has(place) ? await copyAt(place) : null;
      if (before !== null) return before;
      const answer = take();
      taken.set(place, { atMs: now(), answer });
      let isTaken = false;
      try {
        const { status } = await answer;
        isTaken = status < 400;
        return (await answer).clone();
      } finally {
        // What was refused did nothing, and may be tried again.
        if (!isTaken) taken.delete(place);
      }
    },
  };
}

/** Hashed: what was typed may be a password. `null`: a form that may be sent as often as one likes. */
function placeOf(sender: string, request: Request, form: URLSearchParams | null): string | null {
  if (!form?.has("once")) return null;
  const parts = [sender, request.method, new URL(request.url).pathname, String(form)];
  return createHash("sha256").update(JSON.stringify(parts)).digest("hex");
}

/** Long enough for a second click and an impatient reload; secrets that are shown once are among the answers. */
const keptMs = 5 * 60_000;
/** A page is some tens of kB. */
const maxTaken = 100;
