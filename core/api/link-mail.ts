import type { Logger, Observer } from "../plugin/plugin.ts";
import type { MadeLink } from "../identity/people.ts";

/** For the whole of one letter. */
const deadlineMs = 15_000;

interface LinkMailDependencies {
  /** The first that can sends. */
  readonly observers: readonly { readonly name: string; readonly slot: Observer }[];
  readonly publicUrl: string;
  readonly logger: Logger;
}

/** Invitations and links to set a password, to whom they are for; without a mail server nothing is sent. */
export function linkMail({ observers, publicUrl, logger }: LinkMailDependencies) {
  const sender = observers.find(({ slot }) => slot.mail !== undefined);
  return (to: string, { url, expiresMs }: MadeLink, isNew: boolean): void => {
    if (sender) void send(to, url, expiresMs, isNew);
  };

  async function send(to: string, url: string, expiresMs: number, isNew: boolean) {
    const { host } = new URL(publicUrl);
    const text = `${isNew ? `You are invited to LLM Proxy at ${host}.` : `Somebody who manages people at ${host} made you a link to set a new password.`}

Set a password here; the link works once, until ${new Date(expiresMs).toISOString()}:

${url}

If you did not expect this, do nothing.
`;
    const subject = isNew ? `Invitation to LLM Proxy at ${host}` : `Your password for LLM Proxy at ${host}`;
    try {
      await sender?.slot.mail?.({ to, subject, text }, AbortSignal.timeout(deadlineMs));
    } catch (error) {
      logger.warn({ observer: sender?.name, error }, "a link could not be sent by mail");
    }
  }
}
