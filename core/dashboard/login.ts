import type { LoginModel } from "../../views/login.ts";
import { addressGroup } from "../identity/client-address.ts";
import { addressForm, plainAddress, type SignedIn } from "../identity/sign-in.ts";
import { keySessionMs } from "../identity/key-sessions.ts";
import type { Sessions } from "../identity/sessions.ts";
import { nobody } from "../identity/request-audit.ts";
import { throttlesOf } from "../identity/throttle.ts";
import type { Author } from "../storage/audit.ts";
import { asAuthor } from "../storage/audit-author.ts";
import { keyCookie, readCookie, setCookie } from "./cookie.ts";
import { readForm } from "./form.ts";
import { loginPages } from "./login-page.ts";
import { isSameOrigin, safeNext } from "./origin.ts";
import { answerErrors, errorPage, redirect } from "./page.ts";
import { refusalOf } from "./refusal.ts";
import type { DashboardDependencies, DashboardRoute } from "./route.ts";

/** Wrong passwords for one address a minute, wherever they come from. */
const triesPerAccount = 30;

/** The page that is open to all. Its GET never signs in, so that a mail scanner cannot use up a link. */
export function loginRoutes(dependencies: DashboardDependencies, sessions: Sessions): readonly DashboardRoute[] {
  const { publicUrl, version, now, signIn, requestAudit, keyHolders } = dependencies;
  const path = "/dashboard/login";
  const { throttles = throttlesOf(now) } = dependencies;
  const byAddress = throttles("login by address");
  const byAccount = throttles("login by account", triesPerAccount);
  const { show, enterAs, policyOf } = loginPages(dependencies, sessions);

  /** What the page asks for, by what came with the request. */
  async function formOf(token: string | null): Promise<LoginModel["form"]> {
    if (token === null) return { kind: (await signIn.isInUse()) ? "password" : "token" };
    const person = await signIn.linked(token);
    return person?.email ? { kind: "person-link", token, email: person.email } : { kind: "link", token };
  }

  /** `null`: whoever holds the admin token. */
  async function known(form: URLSearchParams): Promise<SignedIn | null> {
    const [token, email, password] = [form.get("token") ?? "", form.get("email") ?? "", form.get("password") ?? ""];
    if ([token, email, password].some((text) => text.length > maxLength)) return { done: "refused" };
    const ticket = form.get("ticket");
    if (ticket !== null) return signIn.code(ticket, form.get("code") ?? "");
    if (token === "") return signIn.password(email, password);
    if (await signIn.linked(token)) return signIn.takeLink(token, password);
    const { isLoginLink, takeLoginLink, verifyAdminToken } = dependencies;
    // Only the page of the first start's link has this field.
    if (form.has("email") && (email !== "" || password !== "")) {
      // Before a word is said of the address: whether somebody has it is nobody's business who lacks the link.
      if (!(await isLoginLink(token))) return { done: "refused" };
      return signIn.newOwner(email, password, () => takeLoginLink(token));
    }
    // One field for both: nobody has to know which kind of token they hold.
    return (await verifyAdminToken(token)) || (await takeLoginLink(token)) ? null : { done: "refused" };
  }

  const enter = async (request: Request): Promise<Response> => {
    // Without a session there is no token to steal; a client without `Origin` is no browser that could be tricked.
    if (!isSameOrigin(request, publicUrl, true)) return errorPage(request, 403, version);
    const form = await readForm(request);
    if (form === null) return errorPage(request, 415, version, "Only forms are taken here.");
    const next = safeNext(form.get("next"));
    const typed = { next, email: form.get("email") ?? "" };

    const address = dependencies.clientAddress?.(request) ?? null;
    const account = plainAddress(form.get("email") ?? "").slice(0, maxLength);
    const stranger = { ...nobody, address, route: `POST ${path}` };
    // Whoever takes the fields for one another sends a password here.
    const told: Record<string, string> = new RegExp(addressForm).test(account) ? { email: account } : {};
    const network = addressGroup(address ?? "");
    const waitSeconds = byAddress.take(network) ?? (account === "" ? null : byAccount.take(account));
    if (waitSeconds !== null) {
      requestAudit.refused(stranger, "login.fail", told);
      const error = `Too many failed tries. Try again in ${waitSeconds} seconds.`;
      const again = await formOf(null);
      return show(request, { form: again, ...typed, error }, 429, { "retry-after": String(waitSeconds) });
    }
    if (form.has("key")) return enterByKey(request, form, stranger);
    const settled = () => {
      byAddress.giveBack(network);
      byAccount.giveBack(account);
    };
    let found: SignedIn | null;
    try {
      found = await asAuthor(stranger, () => known(form));
    } catch (error) {
      const refusal = refusalOf(error);
      settled();
      return show(request, { form: await formOf(form.get("token")), ...typed, error: refusal }, 422);
    }
    if (found?.done === "refused") {
      requestAudit.refused(stranger, "login.fail", told);
      return show(request, { form: await formOf(null), ...typed, error: refusalFor(form) }, 401);
    }
    if (found?.done === "code") {
      const wrong = form.has("ticket");
      if (wrong) requestAudit.refused(stranger, "login.fail", told);
      else settled();
      const error = wrong ? "This is not the code of now, or it was used before." : null;
      return show(request, { form: { kind: "code", ticket: found.ticket }, ...typed, error }, wrong ? 401 : 200);
    }
    settled();

    return enterAs(request, found?.person.id ?? null, next, stranger);
  };

  /** A session of its own kind, which opens the holder's page and nothing else. */
  async function enterByKey(request: Request, form: URLSearchParams, stranger: Author): Promise<Response> {
    const typed = (form.get("key") ?? "").trim();
    const value = typed.length > maxLength ? null : await keyHolders.sessions.open(typed, request);
    if (value === null) {
      requestAudit.refused(stranger, "login.fail");
      const error = "This is no API key that may be used now and from here.";
      return show(request, { form: await formOf(null), next: safeNext(null), email: "", error }, 401);
    }
    byAddress.giveBack(addressGroup(stranger.address ?? ""));
    const policy = keyCookie(policyOf(request));
    await keyHolders.sessions.close(readCookie(request.headers.get("cookie"), policy));
    return redirect("/dashboard/me/key", { "set-cookie": setCookie(policy, value, keySessionMs / 1000) });
  }

  const ask = async (request: Request): Promise<Response> => {
    const { searchParams } = new URL(request.url);
    const next = safeNext(searchParams.get("next"));
    const token = searchParams.get("token");
    const signedIn =
      token === null &&
      (await sessions.find(readCookie(request.headers.get("cookie"), policyOf(request)), true)) !== null;
    return signedIn ? redirect(next) : show(request, { form: await formOf(token), next, email: "", error: null });
  };

  return [
    {
      method: "GET",
      path,
      access: "public",
      permission: null,
      handle: (request) => answerErrors(request, version, () => ask(request)),
    },
    {
      method: "POST",
      path,
      access: "public",
      permission: null,
      handle: (request) => answerErrors(request, version, () => enter(request)),
    },
  ];
}

const maxLength = 1_000;

/** The same for an address that nobody has as for a wrong password. */
const refusalFor = (form: URLSearchParams): string =>
  form.has("ticket")
    ? "This took too long, or there were too many wrong codes. Sign in again."
    : (form.get("token") ?? "") === ""
      ? "The e-mail address or the password is not right."
      : "This token or link is not valid, or was used before.";
