import { createHmac } from "node:crypto";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** One request that a receiver of webhooks got, as it came. */
export interface Got {
  readonly headers: Readonly<Record<string, string>>;
  readonly text: string;
  /** Parsed. What it holds is what the test says it expects. */
  readonly body: Event & { readonly events?: readonly Event[]; readonly blocks?: unknown };
  readonly atMs: number;
}
export interface Event {
  readonly id: string;
  readonly type: string;
  readonly text: string;
  readonly timestamp: string;
  readonly data: Readonly<Record<string, unknown>>;
}

/** What it does with a request: answers a status, or whatever it likes. */
export type Script = number | ((request: IncomingMessage, response: ServerResponse, got: Got) => void);

/** A receiver of webhooks that keeps all it gets, and answers by its script: the last step for ever. */
export class WebhookReceiver {
  readonly got: Got[] = [];
  readonly url: string;
  readonly #server;
  #script: Script[] = [204];

  private constructor(server: ReturnType<typeof createServer>) {
    this.#server = server;
    // It listens: the address is no pipe's.
    const { port } = server.address() as AddressInfo;
    this.url = `http://127.0.0.1:${port}/hook-canary`;
  }

  static async start(): Promise<WebhookReceiver> {
    let receiver: WebhookReceiver | null = null;
    const server = createServer((request, response) => receiver && receiver.#take(request, response));
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    receiver = new WebhookReceiver(server);
    return receiver;
  }

  script(...steps: Script[]): void {
    this.#script = steps;
  }

  /** What was answered 2xx is what it took, in order. */
  readonly taken: Event[] = [];
  takenOf(type: string): Event[] {
    return this.taken.filter((event) => event.type === type);
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #take(request: IncomingMessage, response: ServerResponse) {
    const parts: Buffer[] = [];
    request.on("data", (part: Buffer) => parts.push(part));
    request.on("end", () => {
      const text = Buffer.concat(parts).toString();
      const headers = Object.fromEntries(Object.entries(request.headers).map(([name, value]) => [name, String(value)]));
      const got: Got = { headers, text, body: JSON.parse(text), atMs: Date.now() };
      this.got.push(got);
      const step = this.#script.length > 1 ? this.#script.shift() : this.#script[0];
      if (typeof step === "function") return step(request, response, got);
      if (step !== undefined && step < 300) this.taken.push(...(got.body.events ?? [got.body]));
      response.writeHead(step ?? 204).end();
    });
  }
}

/** By the specification of Standard Webhooks, worked out apart from the plugin. */
export const signatureOf = ({ headers, text }: Got, secret: string | Buffer): string =>
  `v1,${createHmac("sha256", secret).update(`${headers["webhook-id"]}.${headers["webhook-timestamp"]}.${text}`).digest("base64")}`;
