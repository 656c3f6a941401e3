import { formFields, writtenFields } from "./form-fields.ts";
import { html, type Html } from "./html.ts";
import { chip, name } from "./text.ts";

/** What an account says of its calls and those below, and what is said above it. */
export interface AccountTermsModel {
  /** What stands in the form, as it was typed. */
  readonly values: Readonly<Record<AccountTermField, string>>;
  readonly operations: readonly { readonly name: string; readonly chosen: boolean }[];
  readonly keyRotation: boolean;
  /** Of each field as it was written. */
  readonly marks: Readonly<Record<string, string>>;
  /** Of each account that says something, nearest first; in words. */
  readonly said: readonly {
    readonly account: string;
    readonly own: boolean;
    readonly what: string;
    readonly words: string;
  }[];
  /** A form came back with a fault. */
  readonly open: boolean;
}

type AccountTermField = "models" | "providers" | "uncappedOutputTokens" | "metadata";
/** What the form brings where it is checked. */
export const keyRotationChecked = "yes";

/** `csrf` `null`: they are only read. */
export const accountTermsPanel = (terms: AccountTermsModel, action: string, csrf: string | null): Html =>
  html`${saidPanel(terms)}${csrf !== null && termsForm(terms, action, csrf)}`;

const saidPanel = ({ said }: AccountTermsModel): Html =>
  html`${
    said.length > 0 &&
    html`<section class="panel"><h2>What its calls may use</h2>
    <ul class="plain">${said.map(({ account, own, what, words }) => html`<li>${chip(own ? "info" : "quiet", own ? "here" : "above")} ${!own && html`${name(account, 32)}: `}${what} ${name(words, 200)}</li>`)}</ul>
  </section>`
  }`;

const termsForm = (
  { values, operations, keyRotation, marks, open }: AccountTermsModel,
  action: string,
  csrf: string,
): Html => html`<details class="panel new"${open && html` open`}>
  <summary>Change what its calls may use</summary>
  <form method="post" action="${action}">
    ${formFields(csrf)}${writtenFields(marks)}<input type="hidden" name="part" value="terms">
    <div class="fields">
      <label>Models<input name="models" value="${values.models}" autocomplete="off" spellcheck="false" placeholder="all, or names with commas; * for any part"></label>
      <label>Providers<input name="providers" value="${values.providers}" autocomplete="off" spellcheck="false" placeholder="all, or instances with commas"></label>
      <label>Output cap of calls without one<input name="uncappedOutputTokens" value="${values.uncappedOutputTokens}" inputmode="numeric" autocomplete="off" placeholder="tokens, where a budget holds"></label>
      <label>Metadata<input name="metadata" value="${values.metadata}" autocomplete="off" spellcheck="false" placeholder="owner=platform, ticket=42"></label>
    </div>
    <fieldset class="choices"><legend>Operations</legend>${operations.map(
      (each) =>
        html`<label><input type="checkbox" name="operations" value="${each.name}"${each.chosen && html` checked`}>${each.name}</label>`,
    )}</fieldset>
    <fieldset class="choices"><legend>Keys</legend><label><input type="checkbox" name="keyRotation" value="${keyRotationChecked}"${keyRotation && html` checked`}>may rotate themselves</label></fieldset>
    <div class="actions"><button class="primary">Save</button><span class="hint">Binds this account and all below it, from the next call on. No operation chosen: all of them.</span></div>
  </form>
</details>`;
