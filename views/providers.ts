import { html, segment, url, type Html } from "./html.ts";
import { chip, name, time } from "./text.ts";

export interface ProviderLine {
  readonly name: string;
  readonly plugin: string;
  /** Host and port of its base URL; `null`: it has none. */
  readonly host: string | null;
  /** `null`: it answers by itself. */
  readonly dialects: readonly string[] | null;
  /** The key of the config file, masked; `null`: there is none. */
  readonly fileKey: string | null;
  /** Whether keys can be stored for it. */
  readonly takesKeys: boolean;
  readonly credentials: readonly CredentialLine[];
}
export interface CredentialLine {
  readonly id: string;
  readonly name: string;
  readonly masked: string;
  readonly weight: number;
  readonly enabled: boolean;
  readonly state: "active" | "disabled" | "resting" | "locked" | "unused";
  readonly restsUntilMs: number | null;
  readonly refusedWith: number | null;
  readonly requests: number;
  readonly changedMs: number;
}

export const providersPage = (providers: readonly ProviderLine[]): Html => html`<h1>Providers</h1>
  ${
    providers.length === 0
      ? html`<p class="panel empty">The config file has no provider.</p>`
      : html`<div class="panel flush"><div class="scroll"><table class="cards">
    <thead><tr><th scope="col">Provider</th><th scope="col">At</th><th scope="col">Speaks</th><th scope="col">Key of the file</th><th scope="col">Stored keys</th></tr></thead>
    <tbody>${providers.map(providerRow)}</tbody>
  </table></div></div>`
  }
  <p class="hint">Providers are declared in the config file. Further keys of their upstream accounts are stored here.</p>`;

const providerRow = (provider: ProviderLine): Html => html`<tr>
  <td><a href="${pathOf(provider.name)}">${name(provider.name)}</a><span class="sub">${name(provider.plugin)}</span></td>
  <td data-label="At">${name(provider.host, 60)}</td>
  <td data-label="Speaks">${name(provider.dialects === null ? null : provider.dialects.join(", "), 60)}</td>
  <td data-label="Key of the file">${keyOfFile(provider)}</td>
  <td data-label="Stored keys">${storedKeys(provider)}</td>
</tr>`;

const keyOfFile = ({ fileKey, credentials }: ProviderLine): Html =>
  fileKey === null
    ? name(null)
    : html`<span><code>${fileKey}</code> ${credentials.some(isUsed) ? chip("quiet", "not used") : chip("good", "used")}</span>`;

const isUsed = ({ state }: CredentialLine): boolean => state === "active" || state === "resting";

function storedKeys({ credentials }: ProviderLine): Html {
  if (credentials.length === 0) return name(null);
  const used = credentials.filter(({ state }) => state === "active").length;
  return html`<span>${credentials.length} ${used === credentials.length ? chip("good", "all active") : chip("warn", `${used} active`)}</span>`;
}

export interface ProviderModel {
  readonly provider: ProviderLine;
  /** What is wrong with what was typed; `at`: the key it is about, or `null` for a new one. */
  readonly error: { readonly at: string | null; readonly text: string } | null;
  /** `null`: the visitor may change nothing here. */
  readonly csrf: string | null;
}

export const providerPage = ({
  provider,
  error,
  csrf,
}: ProviderModel): Html => html`<p class="crumb"><a href="/dashboard/providers">Providers</a></p>
  <div class="heading"><h1>${name(provider.name, 60)}</h1>${chip("quiet", provider.plugin)}</div>
  <p class="hint">${provider.host !== null && html`At ${name(provider.host, 100)}. `}${provider.fileKey !== null && html`Key of the file: ${keyOfFile(provider)}`}</p>
  ${csrf !== null && provider.takesKeys && newKey(provider, error?.at === null ? error.text : null, csrf)}
  ${!provider.takesKeys && html`<p class="banner">The plugin ${name(provider.plugin)} takes no key that could be stored here.</p>`}
  ${
    provider.credentials.length === 0
      ? html`<p class="panel empty">No stored keys${provider.fileKey !== null && html`: the one of the file is used`}.</p>`
      : html`<div class="panel flush">${keyTable(provider.credentials)}</div>`
  }
  ${
    csrf !== null &&
    provider.credentials.map((credential) =>
      changes(provider, credential, error?.at === credential.id ? error.text : null, csrf),
    )
  }`;

const pathOf = (provider: string): string => url(`/dashboard/providers/${segment(provider)}`);
const token = (csrf: string): Html => html`<input type="hidden" name="csrf" value="${csrf}">`;

const keyTable = (credentials: readonly CredentialLine[]): Html => html`<div class="scroll"><table class="cards">
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
      return html`<span>${chip("warn", "resting")}<span class="sub">answered ${refusedWith}, until ${time(restsUntilMs)}</span></span>`;
    case "locked":
      return html`<span>${chip("bad", "locked")}<span class="sub">enter it again: the provider's address has changed, or the master secret</span></span>`;
    case "unused":
      return html`<span>${chip("warn", "unused")}<span class="sub">the file has no such provider</span></span>`;
  }
}

const newKey = (
  provider: ProviderLine,
  error: string | null,
  csrf: string,
): Html => html`<details class="panel new" id="new-key"${error !== null && html` open`}>
  <summary>Store a key</summary>
  <form method="post" action="${pathOf(provider.name)}/credentials" autocomplete="off">
    ${token(csrf)}
    ${error !== null && html`<p class="error" role="alert">${error}</p>`}
    <div class="fields">
      <label>Key<input type="password" name="apiKey" required maxlength="4096" autocomplete="off" spellcheck="false"></label>
      <label>Name<input name="name" maxlength="200" autocomplete="off" placeholder="to tell it from others"></label>
      <label>Weight<input name="weight" value="1" inputmode="numeric" autocomplete="off"></label>
    </div>
    <div class="actions"><button class="primary">Store</button><span class="hint">Encrypted, and never shown again. Used from the next call on, in the place of the file's.</span></div>
  </form>
</details>`;

const changes = (
  provider: ProviderLine,
  credential: CredentialLine,
  error: string | null,
  csrf: string,
): Html => html`<details class="panel new"${error !== null && html` open`}>
  <summary>Change ${name(credential.name)} <code>${credential.masked}</code></summary>
  <form method="post" action="${pathOf(provider.name)}/credentials/${segment(credential.id)}" autocomplete="off">
    ${token(csrf)}
    ${error !== null && html`<p class="error" role="alert">${error}</p>`}
    <div class="fields">
      <label>Name<input name="name" value="${credential.name}" required maxlength="200" autocomplete="off"></label>
      <label>Weight<input name="weight" value="${credential.weight}" required inputmode="numeric" autocomplete="off"></label>
      <label>Use<select name="enabled">${[
        ["yes", "is used"],
        ["no", "is kept, and not used"],
      ].map(
        ([value, words]) =>
          html`<option value="${value}"${(value === "yes") === credential.enabled && html` selected`}>${words}</option>`,
      )}</select></label>
      <label>Another key<input type="password" name="apiKey" maxlength="4096" autocomplete="off" spellcheck="false" placeholder="nothing keeps it"></label>
    </div>
    <div class="actions"><button class="primary">Save</button></div>
  </form>
  <form method="post" action="${pathOf(provider.name)}/credentials/${segment(credential.id)}/removal">${token(csrf)}<button class="plain danger">Remove</button></form>
</details>`;
