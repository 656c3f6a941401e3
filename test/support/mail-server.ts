import { type AddressInfo, createServer, type Server, type Socket } from "node:net";

/** A mail that the server took. */
export interface Mail {
  readonly from: string;
  readonly to: readonly string[];
  /** As it came over the line, headers first. */
  readonly text: string;
}

/** As much of SMTP (RFC 5321) as a client needs that sends one mail, and AUTH PLAIN; what it answers can be scripted. */
export class MailServer {
  readonly mails: Mail[] = [];
  /** Every line that clients sent. */
  readonly lines: string[] = [];
  readonly port: number;
  /** Replaces the answer to a command, say `RCPT`, or to a whole line; `null`: none comes. */
  readonly answers = new Map<string, string | null>();
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(server: Server) {
    this.#server = server;
    // It listens: the address is no pipe's.
    this.port = (server.address() as AddressInfo).port;
    server.on("connection", (socket) => this.#serve(socket));
  }

  static async start(): Promise<MailServer> {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return new MailServer(server);
  }

  /** Connections that clients hold. */
  get open(): number {
    return this.#sockets.size;
  }

  async stop(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #serve(socket: Socket) {
    this.#sockets.add(socket);
    socket.on("error", () => {});
    socket.on("close", () => this.#sockets.delete(socket));
    let waiting = "";
    let data: string | null = null;
    let [from, to]: [string, string[]] = ["", []];
    const say = (line: string) => socket.write(`${line}\r\n`);
    const command = (line: string) => {
      this.lines.push(line);
      const verb = line.slice(0, 4).toUpperCase();
      const scripted = this.answers.has(line) ? this.answers.get(line) : this.answers.get(verb);
      if (scripted === null) return;
      if (scripted !== undefined) return void say(scripted);
      if (verb === "EHLO") return void say("250-here\r\n250 AUTH PLAIN");
      if (verb === "AUTH") return void say("235 ok");
      if (verb === "MAIL") from = line.slice("MAIL FROM:".length);
      if (verb === "RCPT") to.push(line.slice("RCPT TO:".length));
      if (verb === "DATA") {
        data = "";
        return void say("354 go on");
      }
      if (verb === "QUIT") return void socket.end("221 bye\r\n");
      say("250 ok");
    };
    const take = (line: string) => {
      if (data === null) return command(line);
      if (line !== ".") {
        data += `${line}\n`;
        return;
      }
      this.mails.push({ from, to, text: data });
      [data, from, to] = [null, "", []];
      say("250 taken");
    };
    socket.setEncoding("utf8");
    socket.on("data", (piece: string) => {
      waiting += piece;
      const lines = waiting.split("\r\n");
      waiting = lines.pop() ?? "";
      for (const line of lines) take(line);
    });
    say("220 here");
  }
}
