import { count, type Nano } from "./format.ts";
import { onceFields } from "./form-fields.ts";
import { html, type Html } from "./html.ts";
import { type MadeSecret, secretPanel } from "./people.ts";
import {
  issuerList,
  newToken,
  type SessionLine,
  sessionTable,
  type TokenFields,
  type TokenLine,
  tokenTable,
} from "./person.ts";
import { scrolls } from "./scrolls.ts";
import { statusChip } from "./status.ts";
import { chip, money, name, time } from "./text.ts";
import { tile } from "./tile.ts";

export interface MeModel {
  /** `null`: whoever holds the admin token, who has no password or tokens here. */
  readonly person: {
    readonly name: string;
    readonly email: string | null;
    readonly role: string;
    readonly hasTotp: boolean;
    readonly issuers: readonly string[];
  } | null;
  /** Of the last 30 days, of the account they belong to; `null`: they belong to none. */
  readonly usage: {
    readonly calls: number;
    readonly chargeNano: Nano;
    readonly inputTokens: number;
    readonly outputTokens: number;
  } | null;
  /** The newest of it. */
  readonly calls: readonly OwnCall[];
  readonly sessions: readonly SessionLine[];
  readonly tokens: readonly TokenLine[];
  /** What the form of a new token shows. */
  readonly token: TokenFields;
  readonly made: MadeSecret | null;
  /** A second factor that was begun: to be scanned and confirmed. */
  readonly totp: TotpModel | null;
  readonly recovery: readonly string[] | null;
  readonly error: string | null;
  readonly csrf: string;
}
export interface OwnCall {
  readonly createdMs: number;
  readonly model: string;
  readonly status: string;
  readonly inputTokens: number | null;
  readonly outputTokens: number | null;
  readonly chargeNano: number | null;
}
export interface TotpModel {
  readonly secret: string;
  readonly uri: string;
  readonly enrolment: string;
  /** Rows of dark and light. */
  readonly modules: readonly (readonly boolean[])[];
}

const path = "/dashboard/me";

export const mePage = ({
  person,
  usage,
  calls,
  sessions,
  tokens,
  token,
  made,
  totp,
  recovery,
  error,
  csrf,
}: MeModel): Html => html`<div class="heading"><h1>${person === null ? "Admin token" : name(person.name, 60)}</h1>${person !== null && chip("info", person.role)}${person?.email && html`<code>${person.email}</code>`}</div>
  ${error !== null && html`<p class="banner bad" role="alert">${error}</p>`}
  ${made !== null && secretPanel(made)}
  ${recovery !== null && recoveryPanel(recovery)}
  ${totp !== null && enrolmentPanel(totp, csrf)}
  ${usage !== null && usagePart(usage, calls)}
  ${person === null && html`<p class="panel">You are signed in by the admin token. Invite yourself under <a href="/dashboard/people">People</a> to have a password and tokens of your own.</p>`}
  ${person?.email && html`${password(person.email, csrf)}${secondFactor(person.hasTotp, csrf)}`}
  ${person !== null && issuerList(person.issuers, path, csrf)}
  <section class="panel flush"><h2>Sessions</h2>${sessionTable(sessions, path, csrf)}</section>
  ${person !== null && html`<section class="panel flush"><h2>API tokens</h2>${tokenTable(tokens, path, csrf)}</section>${newToken(`${path}/tokens`, token, csrf)}`}`;

const usagePart = (usage: NonNullable<MeModel["usage"]>, calls: readonly OwnCall[]): Html => html`<div class="tiles">
    ${tile("Charged in 30 days", money(usage.chargeNano), html`your account`)}
    ${tile("Calls in 30 days", html`${count(usage.calls)}`, html`your account`)}
    ${tile("Tokens in 30 days", html`${count(usage.inputTokens + usage.outputTokens)}`, html`in and out`)}
  </div>
  ${
    calls.length > 0 &&
    html`<section class="panel flush"><h2>Latest calls</h2><div class="scroll"${scrolls("Latest calls")}><table class="lines">
    <thead><tr><th scope="col">Time</th><th scope="col">Model</th><th scope="col">Status</th><th scope="col" class="num wide">In</th><th scope="col" class="num wide">Out</th><th scope="col" class="num">Charged</th></tr></thead>
    <tbody>${calls.map(
      (call) => html`<tr>
      <td>${time(call.createdMs)}</td>
      <td>${name(call.model)}</td>
      <td>${statusChip(call.status)}</td>
      <td class="num wide">${count(call.inputTokens)}</td>
      <td class="num wide">${count(call.outputTokens)}</td>
      <td class="num">${money(call.chargeNano)}</td>
    </tr>`,
    )}</tbody></table></div></section>`
  }`;

const recoveryPanel = (codes: readonly string[]): Html => html`<section class="panel secret" role="status">
  <h2>The second factor is on</h2>
  <p><code class="copied" id="secret">${codes.join(" ")}</code><button class="primary" data-copy hidden>Copy</button></p>
  <p class="hint">Recovery codes: each signs you in once in the place of the app. Keep them somewhere safe: they are shown only here and only once.</p>
</section>`;

const enrolmentPanel = (
  { secret, uri, enrolment, modules }: TotpModel,
  csrf: string,
): Html => html`<section class="panel">
  <h2>Scan this with your authenticator app</h2>
  ${qr(modules)}
  <p>Or type the secret: <code>${secret}</code></p>
  <details><summary>As a link</summary><p><code>${uri}</code></p></details>
  <form method="post" action="${path}/totp/confirmation">
    ${onceFields(csrf)}<input type="hidden" name="enrolment" value="${enrolment}">
    <div class="fields"><label>Code that the app shows<input name="code" inputmode="numeric" autocomplete="one-time-code" required maxlength="32"></label></div>
    <button class="primary">Turn it on</button>
  </form>
</section>`;

const qr = (modules: TotpModel["modules"]): Html => {
  const size = modules.length;
  const dark = modules.flatMap((row, y) => row.flatMap((on, x) => (on ? [`M${x} ${y}h1v1h-1z`] : [])));
  return html`<svg class="qr" width="220" height="220" viewBox="0 0 ${size} ${size}" role="img" aria-label="QR code" shape-rendering="crispEdges"><rect width="${size}" height="${size}" fill="#fff"/><path d="${dark.join("")}" fill="#000"/></svg>`;
};

const password = (email: string, csrf: string): Html => html`<details class="panel new">
  <summary>Change the password</summary>
  <form method="post" action="${path}/password">
    ${onceFields(csrf)}<input type="hidden" name="username" autocomplete="username" value="${email}">
    <div class="fields">
      <label>Current password<input type="password" name="current" autocomplete="current-password" required maxlength="1000"></label>
      <label>New password<input type="password" name="password" autocomplete="new-password" required minlength="12" maxlength="256" placeholder="at least 12 characters"></label>
    </div>
    <div class="actions"><button class="primary">Change</button><span class="hint">Every other session ends.</span></div>
  </form>
</details>`;

const secondFactor = (isOn: boolean, csrf: string): Html => html`<details class="panel new">
  <summary>${isOn ? "Take off the second factor" : "Add a second factor"}</summary>
  <form method="post" action="${path}/totp${isOn && "/removal"}">
    ${onceFields(csrf)}
    <div class="fields"><label>Password<input type="password" name="password" autocomplete="current-password" required maxlength="1000"></label></div>
    <button class="primary">${isOn ? "Take it off" : "Begin"}</button>
  </form>
</details>`;
