import { Elysia } from "elysia";

/** The least a gateway in Elysia can do: pass the request on and the answer back. `bun test/bench/bare.ts UPSTREAM_PORT`. */
const upstream = `http://127.0.0.1:${process.argv[2]}/v1/chat/completions`;
const app = new Elysia({ serve: { idleTimeout: 0 } })
  .post(
    "/v1/chat/completions",
    async ({ request }) => {
      const answer = await fetch(upstream, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: await request.text(),
        signal: request.signal,
      });
      return new Response(answer.body, { headers: { "content-type": answer.headers.get("content-type") ?? "" } });
    },
    { parse: "none" },
  )
  .listen({ port: 0, hostname: "127.0.0.1" });
process.stdout.write(`${app.server?.port}\n`);
