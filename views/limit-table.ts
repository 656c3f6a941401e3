import { count } from "./format.ts";
import { html, segment, url, type Html } from "./html.ts";
import { scrolls } from "./scrolls.ts";
import { chip, name, time } from "./text.ts";

/** The limits of one entry, as they stand now. */
export interface LimitLine {
  readonly id: string;
  readonly scopeKind: string;
  /** Name of what it is on, where it has one, else the id; `null`: each of the kind for itself. */
  readonly scopeName: string | null;
  /** `api`: may be changed here. */
  readonly source: "api" | "file" | "default" | "instance" | "key";
  /** `false`: only told of. */
  readonly enforce: boolean;
  readonly parts: readonly LimitPart[];
}
export interface LimitPart {
  /** Its field in a form. */
  readonly field: string;
  /** `60 requests a minute`. */
  readonly text: string;
  /** As a form takes it. */
  readonly value: string;
  /** `null`: it counts many apart, or nobody tells. Money in nano-USD. */
  readonly use: {
    readonly amount: number;
    readonly used: number;
    readonly held: number;
    /** `null`: nobody knows. */
    readonly freeAtMs: number | null;
    /** Written out. */
    readonly text: string;
  } | null;
}

export const limitTable = (
  limits: readonly LimitLine[],
): Html => html`<div class="scroll"${scrolls("Limits")}><table class="cards">
  <thead><tr><th scope="col">On</th><th scope="col">Limit</th><th scope="col">Used now</th><th scope="col" class="num">Counted and held</th>
    <th scope="col">All free again</th><th scope="col">A call beyond it</th><th scope="col">Set in</th></tr></thead>
  <tbody>${limits.flatMap((limit) => limit.parts.map((part) => row(limit, part)))}</tbody>
</table></div>`;

const row = (limit: LimitLine, part: LimitPart): Html => html`<tr>
  <td><span>${chip("quiet", limit.scopeKind)} ${subject(limit)}</span></td>
  <td data-label="Limit">${part.text}</td>
  <td data-label="Used now">${part.use === null ? none() : limitGauge(part.use)}</td>
  <td data-label="Counted and held" class="num">${part.use === null ? none() : part.use.text}</td>
  <td data-label="All free again">${part.use === null || part.use.freeAtMs === null ? none() : time(part.use.freeAtMs)}</td>
  <td data-label="A call beyond it">${limit.enforce ? chip("good", "is refused") : chip("warn", "is only told of")}</td>
  <td data-label="Set in">${places[limit.source]}</td>
</tr>`;

const none = (): Html => html`<span class="none">–</span>`;

const places = {
  api: "dashboard or API",
  file: "config file",
  default: "default",
  instance: "rate-limit instance",
  key: "the key",
} as const;

const subject = (limit: LimitLine): Html => {
  const shown = limit.scopeName === null ? html`each` : name(limit.scopeName);
  return limit.source === "api" ? html`<a href="${url(`/dashboard/limits/${segment(limit.id)}`)}">${shown}</a>` : shown;
};

/** Counted and held as parts of the limit. */
export function limitGauge({
  amount,
  used,
  held,
}: Pick<NonNullable<LimitPart["use"]>, "amount" | "used" | "held">): Html {
  const counted = percent(used, amount);
  const open = Math.min(100 - counted, percent(held, amount));
  const label = `${count(counted)} % counted, ${count(open)} % held`;
  return html`<svg class="gauge" viewBox="0 0 100 6" preserveAspectRatio="none" role="img" aria-label="${label}"><title>${label}</title><rect class="rest" width="100" height="6" /><rect class="${counted >= 90 ? "wrong" : "fill"}" width="${counted}" height="6" /><rect class="held" x="${counted}" width="${open}" height="6" /></svg>`;
}

const percent = (part: number, whole: number): number =>
  Math.max(0, Math.min(100, Math.round((part / whole) * 1_000) / 10));
