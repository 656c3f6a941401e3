import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { isPublicAddress } from "../../core/runtime/addresses.ts";
import { createEgress, EgressError, type EgressOptions } from "../../core/runtime/egress.ts";
import { fetchTransport } from "../../core/runtime/transport.ts";

/** Forms of addresses that lead inwards, or that no URL of ours should have. */
const refused = [
  "http://127.0.0.1/",
  "http://127.1/",
  "http://127.255.255.254:8080/v1",
  "http://2130706433/",
  "http://0x7f000001/",
  "http://0x7f.1/",
  "http://0177.0.0.1/",
  "http://017700000001/",
  "http://①②⑦.⓪.⓪.①/",
  "http://127。0。0。1/",
  "http://127.0.0.1./",
  "http://%31%32%37.0.0.1/",
  "http:\\\\127.0.0.1\\",
  "http:127.0.0.1",
  "http://0.0.0.0/",
  "http://0/",
  "http://10.0.0.1/",
  "http://172.16.0.1/",
  "http://172.31.255.255/",
  "http://192.168.1.1/",
  "http://100.64.0.1/",
  "http://100.100.100.200/latest/meta-data/",
  "http://169.254.169.254/latest/meta-data/",
  "http://0xA9FEA9FE/",
  "http://168.63.129.16/",
  "http://192.0.0.192/opc/v2/",
  "http://198.18.0.1/",
  "http://224.0.0.1/",
  "http://240.0.0.1/",
  "http://255.255.255.255/",
  "http://[::]/",
  "http://[::1]/",
  "http://[0:0:0:0:0:0:0:1]/",
  "http://[::ffff:127.0.0.1]/",
  "http://[::ffff:7f00:1]/",
  "http://[::ffff:a9fe:a9fe]/",
  "http://[::127.0.0.1]/",
  "http://[::ffff:0:7f00:1]/",
  "http://[64:ff9b::7f00:1]/",
  "http://[64:ff9b::10.0.0.1]/",
  "http://[64:ff9b:1::7f00:1]/",
  "http://[2002:7f00:1::]/",
  "http://[2001:0:7f00:1::]/",
  "http://[fe80::1]/",
  "http://[fc00::1]/",
  "http://[fd00:ec2::254]/",
  "http://[fec0::1]/",
  "http://[ff02::1]/",
  "http://localhost/",
  "http://LOCALHOST/",
  "http://localhost./",
  "http://foo.localhost/",
  "http://%6c%6f%63alhost/",
  "http://metadata.google.internal/",
  "http://metadata/",
  "http://printer.local/",
  "http://db.home.arpa/",
  "http://user:secret@example.com/",
  "http://example.com@127.0.0.1/",
  "file:///etc/passwd",
  "data:text/plain,x",
  "unix:/var/run/docker.sock",
  "gopher://127.0.0.1:6379/",
  "ftp://example.com/",
  "blob:https://example.com/x",
  "javascript:fetch(1)",
  "http://",
  "not a url",
  "",
];

const egressTo = (answers: Readonly<Record<string, readonly string[]>>, more: Partial<EgressOptions> = {}) => {
  const asked: string[] = [];
  const egress = createEgress({
    allow: [],
    now: () => 0,
    resolve(host) {
      asked.push(host);
      return Promise.resolve(answers[host] ?? []);
    },
    ...more,
  });
  return { ...egress, asked };
};
const outcome = async (run: Promise<unknown>) =>
  run.then(
    () => "sent",
    (error: unknown) => error,
  );

describe("an address that the file does not name", () => {
  test.each(refused)("is refused: %s", async (url) => {
    const { pin, fault, asked } = egressTo({}, { resolve: () => Promise.resolve(["93.184.215.14"]) });
    expect(await outcome(pin(url))).toBeInstanceOf(EgressError);
    expect(await fault(url)).toBeString();
    expect(asked).toEqual([]);
  });

  test("of the internet is pinned to what its name means", async () => {
    const { pin } = egressTo({ "api.example.com": ["2606:4700::6810:1", "93.184.215.14"] });
    expect(await pin("https://API.example.com:8443/v1?x=1")).toEqual({
      url: "https://93.184.215.14:8443/v1?x=1",
      host: "api.example.com:8443",
      serverName: "api.example.com",
    });
    const six = egressTo({ "six.example.com": ["2606:4700::6810:1"] });
    expect((await six.pin("https://six.example.com/")).url).toBe("https://[2606:4700::6810:1]/");
    expect((await six.pin("http://93.184.215.14/")).serverName).toBeNull();
  });

  test.each([["127.0.0.1"], ["93.184.215.14", "10.0.0.1"], ["93.184.215.14", "::1"], ["fd00::1", "93.184.215.14"], []])(
    "whose name means %p %p is refused",
    async (...addresses) => {
      const { pin } = egressTo({ "api.example.com": addresses.filter((address) => typeof address === "string") });
      expect(await outcome(pin("https://api.example.com/"))).toBeInstanceOf(EgressError);
    },
  );

  test("whose name means something else the next time leads where it was checked to lead, and is checked again", async () => {
    let atMs = 0;
    const answers = [["93.184.215.14"], ["127.0.0.1"]];
    const { pin } = createEgress({ allow: [], now: () => atMs, resolve: () => Promise.resolve(answers.shift() ?? []) });
    const place = (await pin("http://rebind.example.com/")).url;
    expect((await pin("http://rebind.example.com/")).url).toBe(place);
    atMs = 60_000;
    expect(await outcome(pin("http://rebind.example.com/"))).toBeInstanceOf(EgressError);
  });

  test("is allowed where the operator says so, and only there", async () => {
    const inside = { "vault.corp": ["10.1.2.3"], "a.models.corp": ["10.9.9.9"], "models.corp": ["10.9.9.9"] };
    const { pin } = egressTo(inside, {
      allow: ["10.1.0.0/16", "fd00:1::/32", "*.models.corp", "Vault.corp", "127.0.0.1"],
    });
    for (const url of [
      "http://10.1.255.1/",
      "http://[fd00:1::5]/",
      "https://a.models.corp/",
      "http://vault.corp/",
      "http://127.1/",
    ])
      expect(await outcome(pin(url))).toBe("sent");
    for (const url of [
      "http://10.2.0.1/",
      "http://models.corp/",
      "http://127.0.0.2/",
      "http://u@10.1.0.1/",
      "ftp://10.1.0.1/",
    ])
      expect(await outcome(pin(url))).toBeInstanceOf(EgressError);
  });

  test("holds no secret in what is said of it", async () => {
    const { fault } = egressTo({});
    for (const url of ["http://u:hunter22@127.0.0.1/?key=hunter22", "http://127.0.0.1/hunter22", "gopher:hunter22"])
      expect(await fault(url)).not.toContain("hunter22");
  });
});

test("an IPv6 address that stands for an IPv4 one is as public as that one", () => {
  fc.assert(
    fc.property(fc.ipV4(), (address) => {
      const [a = 0, b = 0, c = 0, d = 0] = address.split(".").map(Number);
      const groups = `${(a * 256 + b).toString(16)}:${(c * 256 + d).toString(16)}`;
      const isPublic = isPublicAddress(address);
      for (const form of [`::ffff:${groups}`, `::ffff:${address}`, `64:ff9b::${groups}`, `0:0:0:0:0:ffff:${groups}`])
        if (isPublicAddress(form) !== isPublic) return false;
      return !isPublicAddress(`::${groups}`) && !isPublicAddress(`2002:${groups}::`);
    }),
  );
});

describe("a pinned request", () => {
  const folder = mkdtempSync(join(tmpdir(), "llm-proxy-pin-"));
  const file = (name: string) => readFileSync(join(folder, name), "utf8");
  const seen: string[] = [];
  let server: ReturnType<typeof Bun.serve>;
  const certificate = Bun.which("openssl");

  beforeAll(() => {
    if (certificate)
      Bun.spawnSync(
        [
          ..."openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=good.example.com".split(" "),
          ..."-addext subjectAltName=DNS:good.example.com -keyout key -out cert".split(" "),
        ],
        { cwd: folder },
      );
    server = Bun.serve({
      port: 0,
      ...(certificate && { tls: { key: file("key"), cert: file("cert") } }),
      async fetch(request) {
        seen.push(
          `${request.method} ${request.headers.get("host")} ${new URL(request.url).pathname} ${await request.text()}`,
        );
        return new Response("hello");
      },
    });
  });
  afterAll(async () => {
    await server.stop(true);
    rmSync(folder, { recursive: true, force: true });
  });

  const resolve = () => Promise.resolve(["127.0.0.1"]);
  const options = { redirect: "manual" } as const;

  test("reaches the checked address by the name's certificate, and no other one's", async () => {
    if (!certificate) return console.log("skipped: 1 check of certificates, no openssl here");
    const { send, pin } = createEgress({ allow: ["127.0.0.1"], now: Date.now, resolve });
    const ask = async (host: string, path: string) => {
      const url = `https://${host}:${server.port}${path}`;
      const pinned = await pin(url);
      const ca = file("cert");
      // As `send` does it, with an authority of the test's own.
      const tls = { tls: { ca, serverName: pinned.serverName ?? "" } };
      return fetch(pinned.url, { ...options, ...tls, headers: { host: pinned.host } });
    };
    const answer = await ask("good.example.com", "/x");
    expect(await answer.text()).toBe("hello");
    expect(seen.at(-1)).toBe(`GET good.example.com:${server.port} /x `);
    expect(await outcome(ask("bad.example.com", "/y"))).toMatchObject({ code: "ERR_TLS_CERT_ALTNAME_INVALID" });
    // Without the test's own authority it is refused too.
    const url = `https://good.example.com:${server.port}/z`;
    expect(await outcome(send(url, options, await pin(url)))).toMatchObject({ code: "DEPTH_ZERO_SELF_SIGNED_CERT" });
    expect(seen.some((line) => line.includes("/y") || line.includes("/z"))).toBe(false);
  });

  test("is the one that was asked for: method, headers, body; and follows no redirect", async () => {
    const plain = Bun.serve({
      port: 0,
      async fetch(request) {
        const { headers } = request;
        if (request.url.endsWith("/moved")) return Response.redirect("http://127.0.0.1:1/", 307);
        return Response.json([request.method, headers.get("host"), headers.get("x-own"), await request.text()]);
      },
    });
    try {
      const { send, pin } = createEgress({ allow: ["127.0.0.1"], now: Date.now, resolve });
      const url = `http://api.example.com:${plain.port}/x`;
      const request = new Request(url, { method: "POST", headers: { "x-own": "1" }, body: "text" });
      const expected = ["POST", `api.example.com:${plain.port}`, "1", "text"];
      expect(await (await send(request, options, await pin(url))).json()).toEqual(expected);
      const transport = fetchTransport({
        egress: createEgress({ allow: ["127.0.0.1"], now: Date.now, resolve }),
        connectTimeoutMs: 1_000,
        now: Date.now,
        env: {},
      });
      const order = { url, headers: { "x-own": "1" }, body: "text", guarded: true } as const;
      const { signal } = new AbortController();
      expect(JSON.parse(new TextDecoder().decode(await (await transport(order, signal)).bytes()))).toEqual(expected);
      const moved = `http://api.example.com:${plain.port}/moved`;
      expect((await transport({ ...order, url: moved }, signal)).status).toBe(307);
      const strict = fetchTransport({
        egress: createEgress({ allow: [], now: Date.now, resolve }),
        connectTimeoutMs: 1_000,
        now: Date.now,
        env: {},
      });
      expect(await outcome(strict(order, signal))).toBeInstanceOf(EgressError);
    } finally {
      await plain.stop(true);
    }
  });
});
