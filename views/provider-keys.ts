import { choice } from "./budget-form.ts";
import { formFields, onceFields, type ShownFields, writtenFields } from "./form-fields.ts";
import { html, segment, type Html } from "./html.ts";
import { type CredentialLine, keyOfFile, type ProviderLine, providerPath } from "./providers.ts";
import { scrolls } from "./scrolls.ts";
import { chip, name, time } from "./text.ts";

export interface ProviderKeysModel {
  readonly provider: ProviderLine;
  /** The form of a new key, as it was typed; nothing typed as a key is shown again. */
  readonly making: { readonly values: Readonly<Record<"name" | "weight", string>>; readonly error: string | null };
  /** The form of each that is stored. */
  readonly changing: readonly ChangingKey[];
  /** `null`: the visitor may change nothing here. */
  readonly csrf: string | null;
}
interface ChangingKey extends ShownFields<keyof ReturnType<typeof writtenCredential>> {
  readonly credential: CredentialLine;
  readonly error: string | null;
}

/** What the form of one holds. */
export const writtenCredential = ({ name: called, weight, enabled }: CredentialLine) => ({
  name: called,
  weight: String(weight),
  enabled: enabled ? "yes" : "no",
});

/** Keys of upstream accounts: the file's, and those that are stored. */
export const providerKeys = ({
  provider,
  making,
  changing,
  csrf,
}: ProviderKeysModel): Html => html`<h2 id="keys">Keys ${provider.fileKey !== null && html`<span class="hint">of the file: ${keyOfFile(provider)}</span>`}</h2>
  ${csrf !== null && provider.takesKeys && newKey(provider, making, csrf)}
  ${!provider.takesKeys && html`<p class="banner">The plugin ${name(provider.plugin)} takes no key that could be stored here.</p>`}
  ${
    provider.credentials.length === 0
      ? html`<p class="panel empty">No stored keys${provider.fileKey !== null && html`: the one of the file is used`}.</p>`
      : html`<div class="panel flush">${keyTable(provider.credentials)}</div>`
  }
  ${csrf !== null && changing.map((one) => changes(provider, one, csrf))}`;

const keyTable = (
  credentials: readonly CredentialLine[],
): Html => html`<div class="scroll"${scrolls("Keys")}><table class="cards">
  <thead><tr><th scope="col">Name</th><th scope="col">Key</th><th scope="col">State</th><th scope="col" class="num">Weight</th><th scope="col" class="num">Requests</th><th scope="col">Entered</th></tr></thead>
  <tbody>${credentials.map(
    (credential) => html`<tr>
    <td>${name(credential.name)}</td>
    <td data-label="Key"><code>${credential.masked}</code></td>
    <td data-label="State">${stateOf(credential)}</td>
    <td data-label="Weight" class="num">${credential.weight}</td>
    <td data-label="Requests" class="num">${credential.requests}</td>
    <td data-label="Entered">${time(credential.changedMs)}</td>
  </tr>`,
  )}</tbody>
</table></div>`;

function stateOf({ state, restsUntilMs, refusedWith }: CredentialLine): Html {
  switch (state) {
    case "active":
      return chip("good", "active");
    case "disabled":
      return chip("quiet", "disabled");
    case "resting":
      return html`<span>${chip("warn", "resting")}<span class="sub">${refusedWith === null ? "failed too often" : `answered ${refusedWith}`}, until ${time(restsUntilMs)}</span></span>`;
    case "locked":
      return html`<span>${chip("bad", "locked")}<span class="sub">enter it again: the provider's address has changed, or the master secret</span></span>`;
    case "unused":
      return html`<span>${chip("warn", "unused")}<span class="sub">the file has no such provider</span></span>`;
  }
}

const newKey = (
  provider: ProviderLine,
  { values, error }: ProviderKeysModel["making"],
  csrf: string,
): Html => html`<details class="panel new" id="new-key"${error !== null && html` open`}>
  <summary>Store a key</summary>
  <form method="post" action="${providerPath(provider.name)}/credentials" autocomplete="off">
    ${onceFields(csrf)}
    ${error !== null && html`<p class="error" role="alert">${error}</p>`}
    <div class="fields">
      <label>Key<input type="password" name="apiKey" required maxlength="4096" autocomplete="off" spellcheck="false"></label>
      <label>Name<input name="name" value="${values.name}" maxlength="200" autocomplete="off" placeholder="to tell it from others"></label>
      <label>Weight<input name="weight" value="${values.weight}" inputmode="numeric" autocomplete="off"></label>
    </div>
    <div class="actions"><button class="primary">Store</button><span class="hint">Encrypted, and never shown again. Used from the next call on, in the place of the file's.</span></div>
  </form>
</details>`;

const changes = (
  provider: ProviderLine,
  { credential, values, marks, error }: ChangingKey,
  csrf: string,
): Html => html`<details class="panel new"${error !== null && html` open`}>
  <summary>Change ${name(credential.name)} <code>${credential.masked}</code></summary>
  <form method="post" action="${providerPath(provider.name)}/credentials/${segment(credential.id)}" autocomplete="off">
    ${formFields(csrf)}${writtenFields(marks)}
    ${error !== null && html`<p class="error" role="alert">${error}</p>`}
    <div class="fields">
      <label>Name<input name="name" value="${values.name}" required maxlength="200" autocomplete="off"></label>
      <label>Weight<input name="weight" value="${values.weight}" required inputmode="numeric" autocomplete="off"></label>
      <label>Use${choice("enabled", uses, values.enabled)}</label>
      <label>Another key<input type="password" name="apiKey" maxlength="4096" autocomplete="off" spellcheck="false" placeholder="nothing keeps it"></label>
    </div>
    <div class="actions"><button class="primary">Save</button></div>
  </form>
  <form method="post" action="${providerPath(provider.name)}/credentials/${segment(credential.id)}/removal" data-confirm="Remove this key? It cannot be undone: to use it again it must be entered again.">${onceFields(csrf)}<button class="plain danger">Remove</button></form>
</details>`;

const uses = [
  ["yes", "is used"],
  ["no", "is kept, and not used"],
] as const;
