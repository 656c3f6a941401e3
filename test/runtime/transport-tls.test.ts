import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Whose certificate either transport trusts, with an authority that the operator adds by `NODE_EXTRA_CA_CERTS`. */

const folder = mkdtempSync(join(tmpdir(), "llm-proxy-tls-"));
const servers: ReturnType<typeof Bun.serve>[] = [];
afterAll(async () => {
  for (const server of servers) await server.stop(true);
  rmSync(folder, { recursive: true, force: true });
});

const openssl = (text: string) => Bun.spawnSync(["openssl", ...text.split(" ")], { cwd: folder });
const newKey = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes";
const answerBytes = 6_000_000;

/** A server of that name, and how many whole requests it has read. */
function serverOf(name: string, names: string, signer: "ca" | null, days = 2) {
  const by = signer === null ? "" : ` -CA ${signer}.crt -CAkey ${signer}.key`;
  const of = `-subj /CN=${name} -addext subjectAltName=${names} -keyout ${name}.key`;
  if (days > 0) openssl(`req -x509 ${newKey} -days ${days} ${of} -out ${name}.crt${by}`);
  else {
    // Only in two steps does it make one that is over.
    openssl(`req ${newKey} ${of} -out ${name}.csr`);
    openssl(`x509 -req -in ${name}.csr -days ${days} -copy_extensions copy -out ${name}.crt${by}`);
  }
  const file = (end: string) => readFileSync(join(folder, `${name}.${end}`), "utf8");
  const read: { port: number; count: number; hosts: Set<string | null> } = { port: 0, count: 0, hosts: new Set() };
  const server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    tls: { key: file("key"), cert: file("crt") },
    async fetch(request) {
      if ((await request.bytes()).byteLength === 4_000_000) read.count += 1;
      read.hosts.add(request.headers.get("host"));
      return new Response(new Uint8Array(answerBytes));
    },
  });
  servers.push(server);
  read.port = server.port ?? 0;
  return read;
}

test.if(Bun.which("openssl") !== null)(
  "TLS: what is trusted, what is not, and that nothing is sent to who is not who it should be",
  async () => {
    openssl(`req -x509 ${newKey} -days 2 -subj /CN=authority -keyout ca.key -out ca.crt`);
    const named = serverOf("named", "DNS:localhost,DNS:api.example.com", "ca");
    const numbered = serverOf("numbered", "IP:127.0.0.1", "ca");
    const other = serverOf("other", "DNS:other.example", "ca");
    const expired = serverOf("expired", "DNS:localhost", "ca", -1);
    const own = serverOf("own", "DNS:localhost,IP:127.0.0.1", null);
    const urls: readonly (readonly [string, string | number])[] = [
      [`https://localhost:${named.port}/`, answerBytes],
      // The same connection once more.
      [`https://localhost:${named.port}/`, answerBytes],
      // Its address was checked before: the name is asked for all the same.
      [`https://api.example.com:${named.port}/`, answerBytes],
      [`https://other.example.com:${named.port}/`, "ERR_TLS_CERT_ALTNAME_INVALID"],
      [`https://127.0.0.1:${named.port}/`, "ERR_TLS_CERT_ALTNAME_INVALID"],
      [`https://127.0.0.1:${numbered.port}/`, answerBytes],
      [`https://localhost:${numbered.port}/`, "ERR_TLS_CERT_ALTNAME_INVALID"],
      [`https://localhost:${other.port}/`, "ERR_TLS_CERT_ALTNAME_INVALID"],
      [`https://127.0.0.1:${other.port}/`, "ERR_TLS_CERT_ALTNAME_INVALID"],
      [`https://localhost:${expired.port}/`, "CERT_HAS_EXPIRED"],
      [`https://localhost:${own.port}/`, "DEPTH_ZERO_SELF_SIGNED_CERT"],
      [`https://127.0.0.1:${own.port}/`, "DEPTH_ZERO_SELF_SIGNED_CERT"],
    ];
    const plain = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: () => new Response("plain") });
    servers.push(plain);
    const all = [...urls, [`https://127.0.0.1:${plain.port}/`, "EPROTO"] as const];

    const ask = (env: Readonly<Record<string, string>>, some: readonly (readonly [string, unknown])[]) => {
      const script = join(import.meta.dir, "asking-process.ts");
      return Bun.spawn([process.execPath, script, ...some.map(([url]) => url)], {
        env: { ...process.env, ...env },
        stdout: "pipe",
        stderr: "inherit",
        timeout: 15_000,
      });
    };
    const child = ask({ NODE_EXTRA_CA_CERTS: join(folder, "ca.crt") }, all);
    const [byFetch = "", bySockets = ""] = (await new Response(child.stdout).text()).split("\n");
    // Connections that lie idle keep no process alive.
    expect(await child.exited).toBe(0);
    const expected = all.map(([, told]) => told);
    expect(JSON.parse(byFetch)).toEqual(expected);
    expect(JSON.parse(bySockets)).toEqual(expected);
    expect([named.count, numbered.count, other.count, expired.count, own.count]).toEqual([6, 2, 0, 0, 0]);
    expect(named.hosts).toEqual(new Set([`localhost:${named.port}`, `api.example.com:${named.port}`]));

    // Nobody has said to trust that authority.
    const strict = ask({ NODE_EXTRA_CA_CERTS: "" }, all.slice(0, 1));
    const lines = (await new Response(strict.stdout).text()).trim().split("\n");
    expect(lines).toEqual([`["UNABLE_TO_VERIFY_LEAF_SIGNATURE"]`, `["UNABLE_TO_VERIFY_LEAF_SIGNATURE"]`]);
    expect(named.count).toBe(6);
  },
);
