import { count } from "./format.ts";
import { onceFields } from "./form-fields.ts";
import { html, segment, url, type Html } from "./html.ts";
import { time, visible } from "./text.ts";

/** What is kept of a call's prompt and answer, for who may read it. */
export interface CallContentModel {
  readonly callId: string;
  readonly expiresMs: number;
  readonly request: ContentSideModel;
  /** `null`: the client got nothing. */
  readonly answer: ContentSideModel | null;
  /** `null`: whoever looks may not remove it. */
  readonly csrf: string | null;
}
interface ContentSideModel {
  readonly text: string;
  readonly bytes: number;
  readonly truncated: boolean;
  /** By the name of a rule, how often it was found. */
  readonly redacted: Readonly<Record<string, number>>;
  readonly media: number;
}

/** Closed, and without them: only who opens it has read them. */
export function callContentPanel(callId: string): Html {
  const path = pathOf(callId);
  return html`<details class="panel content" hx-get="${path}" hx-trigger="toggle once" hx-target="find .kept">
  <summary>Prompt and answer</summary>
  <div class="kept" aria-live="polite"><p class="hint"><a href="${path}">Show what is kept of them</a>; the audit log tells who did.</p></div>
</details>`;
}

/** The same as a page, for who has no JavaScript. */
export const callContentPage = (
  model: CallContentModel,
): Html => html`<p class="crumb"><a href="/dashboard/calls">Calls</a> / <a href="${url(`/dashboard/calls/${segment(model.callId)}`)}">Call</a></p>
  <h1>Prompt and answer</h1>
  <section class="panel content">${callContent(model)}</section>`;

export const callContent = ({
  callId,
  expiresMs,
  request,
  answer,
  csrf,
}: CallContentModel): Html => html`<h2>What was asked</h2>${side(request)}
  <h2>What was answered</h2>${answer === null ? html`<p class="hint">The client got nothing.</p>` : side(answer)}
  <p class="hint">Kept until ${time(expiresMs)}, encrypted.</p>
  ${
    csrf !== null &&
    html`<form method="post" action="${pathOf(callId)}-removal" data-confirm="Remove prompt and answer? It cannot be undone.">
    ${onceFields(csrf)}<button class="plain danger">Remove prompt and answer</button></form>`
  }`;

const pathOf = (callId: string): string => url(`/dashboard/calls/${segment(callId)}/content`);

/** The line break before the text is the one that browsers drop. */
const side = (shown: ContentSideModel): Html => html`<p class="hint">${wordsOf(shown)}</p>
  <pre dir="auto" tabindex="0">
${visible(shown.text)}</pre>`;

function wordsOf({ bytes, truncated, redacted, media }: ContentSideModel): string {
  const rules = Object.entries(redacted).map(([rule, times]) => `${count(times)} × ${rule}`);
  return [
    `${count(bytes)} bytes${truncated ? ", cut to what is shown" : ""}.`,
    rules.length > 0 && `Redacted: ${rules.join(", ")}.`,
    media > 0 && `Media not kept: ${count(media)}.`,
  ]
    .filter((words) => words !== false)
    .join(" ");
}
