import { createServer } from "node:net";

/** A place that nothing may ever connect to: it counts who does. */
export interface CanaryListener {
  /** `127.0.0.1:PORT`. */
  readonly address: string;
  readonly connections: number;
  stop(): Promise<void>;
}

export async function canaryListener(): Promise<CanaryListener> {
  let connections = 0;
  const server = createServer((socket) => {
    connections += 1;
    socket.destroy();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const bound = server.address();
  return {
    address: `127.0.0.1:${typeof bound === "object" && bound ? bound.port : 0}`,
    get connections() {
      return connections;
    },
    stop: () => new Promise((resolve) => server.close(() => resolve())),
  };
}
