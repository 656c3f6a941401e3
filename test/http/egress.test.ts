import { expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { canaryListener } from "../support/canary.ts";
import { call, chat } from "../support/clients.ts";
import { ask as askIn } from "../support/dialect-calls.ts";
import { audience, discoveryPath, jwksPath, makeIssuer } from "../support/issuer.ts";
import { answers } from "../support/openai-answers.ts";
import { type Setup, setUp } from "../support/setup.ts";

/** The process talks to the configured upstreams and to nobody else: no telemetry, no price list, no update check. */
test("a start, calls, the admin API, pages and a stop connect to the upstream alone", async () => {
  const strace = Bun.which("strace");
  if (!strace) return console.log("skipped: 1 check of a running process's connections, no strace here");
  const folder = mkdtempSync(join(tmpdir(), "llm-proxy-strace-"));
  const trace = join(folder, "trace.txt");
  // -D: the traced process keeps the pid of the command, and gets its signals.
  const wrapper = [strace, "-D", "-f", "-qq", "-e", "trace=connect,sendto", "-o", trace];
  const setup = await setUp({ wrapper });
  try {
    setup.upstream.on("ok", answers());
    for (const more of [{}, { stream: true }]) {
      expect((await call(setup.gateway, setup.key.key, chat("mock/ok", more))).status).toBe(200);
    }
    await setup.gateway.admin("GET", "/api/usage");
    await setup.gateway.get("/dashboard/login");
    expect(await setup.gateway.stop()).toBe(0);
    const peers = peersIn(readFileSync(trace, "utf8"));
    expect([...peers]).toEqual([`127.0.0.1:${setup.upstream.port}`]);
  } finally {
    await setup.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}, 60_000);

test("addresses of images, files and audio in a request are the provider's to fetch: nothing here asks for them (103)", async () => {
  const canary = await canaryListener();
  const names = ["openai-chat", "openai-responses", "anthropic-messages", "gemini"] as const;
  const setup = await setUp({ dialects: names });
  try {
    setup.upstream.on("m", answers());
    const image = `http://${canary.address}/image.png`;
    const parts = {
      "openai-chat": { messages: [{ role: "user", content: [{ type: "image_url", image_url: { url: image } }] }] },
      "openai-responses": {
        input: [
          {
            role: "user",
            content: [
              { type: "input_image", image_url: image },
              { type: "input_file", file_url: image },
            ],
          },
        ],
      },
      "anthropic-messages": {
        messages: [{ role: "user", content: [{ type: "image", source: { type: "url", url: image } }] }],
      },
      gemini: { contents: [{ parts: [{ fileData: { mimeType: "image/png", fileUri: image } }] }] },
    } as const;
    const sent = setup.upstream.log.length;
    for (const from of names)
      for (const to of names)
        await askIn(setup.gateway, setup.key.key, from, { model: `mock-${to}/m`, more: parts[from] });
    expect(setup.upstream.log.length).toBeGreaterThan(sent + 4);
    expect(
      setup.upstream.log.filter(({ request }) => request.body.toString().includes(canary.address)).length,
    ).toBeGreaterThan(4);
    expect(canary.connections).toBe(0);
  } finally {
    await setup.stop();
    await canary.stop();
  }
}, 30_000);

/** The discovery document is an answer: what it names is not what the operator named. */
test("keys are read where the issuer itself is, and elsewhere only where the guard lets them be", async () => {
  const [issuer, canary] = await Promise.all([makeIssuer(), makeIssuer()]);
  const at = (jwksUrl: string) => (path: string) =>
    path === discoveryPath
      ? Response.json({ issuer: issuer.url, jwks_uri: jwksUrl })
      : Response.json({ keys: issuer.keys.map(({ jwk }) => jwk) });
  const auth = `auth: { staff: { use: jwt, issuer: "${issuer.url}", audience: ${audience} } }\n`;
  const strict = await setUp({ config: auth });
  const loose = await setUp({ config: `${auth}server: { egress: { allow: [127.0.0.1] } }\n` });
  const ask = async ({ gateway }: Setup) => (await call(gateway, issuer.token(), chat("echo"))).status;
  try {
    issuer.answer = at(`${canary.url}${jwksPath}`);
    expect(await ask(strict)).toBe(503);
    expect(canary.asked).toEqual([]);
    expect(strict.gateway.log()).toContain("server.egress.allow does not name it");
    canary.answer = at("");
    expect(await ask(loose)).toBe(200);
    expect(canary.asked).toEqual([jwksPath]);
  } finally {
    await Promise.all([strict, loose, issuer, canary].map((one) => one.stop()));
  }
}, 60_000);

test("an upstream whose certificate does not hold gets no request", async () => {
  if (!Bun.which("openssl")) return console.log("skipped: 1 check of certificates, no openssl here");
  const folder = mkdtempSync(join(tmpdir(), "llm-proxy-tls-"));
  const certificate = (name: string, days: string) => {
    const args = `req -x509 -newkey rsa:2048 -nodes -days ${days} -subj /CN=${name} -addext subjectAltName=DNS:${name}`;
    Bun.spawnSync(["openssl", ...args.split(" "), "-keyout", `${name}.key`, "-out", `${name}.crt`], { cwd: folder });
    const read = (kind: string) => readFileSync(join(folder, `${name}.${kind}`), "utf8");
    return { key: read("key"), cert: read("crt") };
  };
  let asked = 0;
  const server = (name: string) =>
    Bun.serve({
      port: 0,
      tls: certificate(name, "2"),
      fetch() {
        asked += 1;
        return new Response("{}");
      },
    });
  const [unknown, misnamed] = [server("localhost"), server("another.example")];
  const provider = (name: string, { port }: typeof unknown) =>
    `  ${name}: { use: openai-compatible, baseUrl: "https://localhost:${port}/v1", apiKey: key-for-tests-only }`;
  // Only the second one's authority is known, so that its name alone is wrong.
  const env = { NODE_EXTRA_CA_CERTS: join(folder, "another.example.crt") };
  const setup = await setUp({
    env,
    providers: [provider("unknown", unknown), provider("misnamed", misnamed)].join("\n"),
    config: "billing: { ledger: { unpriced: allow } }\n",
  });
  try {
    for (const name of ["unknown", "misnamed"]) {
      const reply = await call(setup.gateway, setup.key.key, chat(`${name}/m`));
      expect([name, reply.status]).toEqual([name, 502]);
      expect(reply.text).not.toContain("key-for-tests-only");
    }
    expect(asked).toBe(0);
    expect(setup.gateway.log()).not.toContain("key-for-tests-only");
  } finally {
    await Promise.all([setup.stop(), unknown.stop(true), misnamed.stop(true)]);
    rmSync(folder, { recursive: true, force: true });
  }
}, 60_000);

/** Every internet address that a system call named, DNS servers included. */
function peersIn(trace: string): Set<string> {
  const named = /sin6?_port=htons\((\d+)\).*?(?:inet_addr\("([^"]+)"\)|inet_pton\(AF_INET6, "([^"]+)")/g;
  return new Set([...trace.matchAll(named)].map(([, port, v4, v6]) => `${v4 ?? v6}:${port}`));
}
