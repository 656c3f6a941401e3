import { tallied } from "../plugin/hook-tally.ts";
import type { Logger, Observer } from "../plugin/plugin.ts";
import type { Instance } from "../plugin/slots.ts";
import type { MadeLink } from "../identity/people.ts";

/** For the whole of one letter. */
const deadlineMs = 15_000;

type Sender = Instance<Observer>;
interface LinkMailDependencies {
  /** The first that can sends. */
  readonly observers: readonly Sender[];
  readonly publicUrl: string;
  readonly logger: Logger;
}

/** Invitations and links to set a password, to whom they are for; without a mail server nothing is sent. */
export function linkMail({ observers, publicUrl, logger }: LinkMailDependencies) {
  const sender = observers.find(({ slot }) => slot.mail !== undefined);
  return (to: string, { url, expiresMs }: MadeLink, isNew: boolean): void => {
    if (sender) void send(sender, to, url, expiresMs, isNew);
  };

  async function send({ name, slot }: Sender, to: string, url: string, expiresMs: number, isNew: boolean) {
    const { host } = new URL(publicUrl);
    const text = `${isNew ? `You are invited to LLM Proxy at ${host}.` : `Somebody who manages people at ${host} made you a link to set a new password.`}

Set a password here; the link works once, until ${new Date(expiresMs).toISOString()}:

${url}

If you did not expect this, do nothing.
`;
    const subject = isNew ? `Invitation to LLM Proxy at ${host}` : `Your password for LLM Proxy at ${host}`;
    try {
      const letter = { to, subject, text };
      await tallied("observer", name, "mail", () => slot.mail?.(letter, AbortSignal.timeout(deadlineMs)));
    } catch (error) {
      logger.warn({ observer: name, error }, "a link could not be sent by mail");
    }
  }
}
