import { describe, expect, test } from "bun:test";
import { createHmac } from "node:crypto";
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { derivedKey, masterSecret, SecretError } from "../../core/identity/secret.ts";
import { temporaryFolder } from "../storage/folder.ts";

const folder = temporaryFolder();
const dataDir = (name: string) => folder.file(name);

describe("the master secret", () => {
  test("is made once, for its owner alone, and used again", () => {
    const data = dataDir("fresh/data");
    const made = kept({}, data);
    expect(Buffer.from(made, "base64url")).toHaveLength(32);
    expect(statSync(join(data, "secret")).mode & 0o777).toBe(0o600);
    expect(statSync(data).mode & 0o777).toBe(0o700);
    expect(kept({}, data)).toBe(made);
    expect(readdirSync(data)).toEqual(["secret"]);
    expect(kept({}, dataDir("another/data"))).not.toBe(made);
  });

  test("a new one is not written before it is known to belong there", () => {
    const data = dataDir("not-kept");
    masterSecret({}, data);
    expect(existsSync(data)).toBe(false);
  });

  test("from the environment is taken as it is, and no file is written", () => {
    const data = dataDir("given");
    expect(kept({ LLM_PROXY_SECRET: "a-long-secret-of-my-own" }, data)).toBe("a-long-secret-of-my-own");
    expect(existsSync(join(data, "secret"))).toBe(false);
  });

  test("from the environment goes before the file", () => {
    const data = dataDir("both");
    kept({}, data);
    expect(kept({ LLM_PROXY_SECRET: "a-long-secret-of-my-own" }, data)).toBe("a-long-secret-of-my-own");
  });

  test("an empty variable is an unset one", () => {
    const data = dataDir("empty");
    expect(kept({ LLM_PROXY_SECRET: "" }, data)).toBe(kept({}, data));
  });

  test.each(["short", "fifteen-letters", "   ", "\n\t\n", " ".repeat(64), `  ${"x".repeat(15)}  `])(
    "%p in the environment is refused",
    (given) => {
      const refused = caught(() => masterSecret({ LLM_PROXY_SECRET: given }, dataDir("refused")));
      expect(refused).toBeInstanceOf(SecretError);
      expect(String(refused)).toContain("LLM_PROXY_SECRET");
      expect(String(refused)).not.toContain("fifteen-letters");
      expect(existsSync(dataDir("refused"))).toBe(false);
    },
  );

  test.each(["", "short", " ".repeat(64)])("a file that holds %p is refused, and left as it is", (content) => {
    const data = dataDir(`file-${content.length}`);
    mkdirSync(data);
    writeFileSync(join(data, "secret"), content);
    const refused = caught(() => masterSecret({}, data));
    expect(refused).toBeInstanceOf(SecretError);
    expect(String(refused)).not.toContain(data);
    expect(readFileSync(join(data, "secret"), "utf8")).toBe(content);
  });

  test("a line end in the file is no part of it", () => {
    const data = dataDir("line-end");
    mkdirSync(data);
    writeFileSync(join(data, "secret"), "a-long-secret-of-my-own\r\n");
    expect(kept({}, data)).toBe("a-long-secret-of-my-own");
  });

  test("a folder that cannot be written stops the start", () => {
    if (process.getuid?.() === 0) {
      console.log("skipped: 1 case on a folder without write permission, because root writes everywhere");
      return;
    }
    const data = dataDir("read-only");
    mkdirSync(data);
    chmodSync(data, 0o500);
    expect(caught(() => kept({}, data))).toBeInstanceOf(Error);
  });
});

test("a derived key is its purpose's own, and always the same", () => {
  const secret = "a-long-secret-of-my-own";
  const key = derivedKey(secret, "api-keys");
  expect(key).toHaveLength(32);
  expect(derivedKey(secret, "api-keys").equals(key)).toBe(true);
  expect(derivedKey(secret, "secret-check").equals(key)).toBe(false);
  expect(derivedKey(`${secret}!`, "api-keys").equals(key)).toBe(false);
  // Fixed for ever, here by RFC 5869 §2 itself: with another value no key of an existing database would be found.
  const extracted = createHmac("sha256", Buffer.alloc(32)).update(secret).digest();
  const expanded = createHmac("sha256", extracted).update("llm-proxy api-keys\u0001").digest();
  expect(key.equals(expanded)).toBe(true);
});

/** As a start uses it that finds nothing against it. */
function kept(env: Record<string, string>, data: string): string {
  const secret = masterSecret(env, data);
  secret.keep();
  return secret.value;
}

function caught(work: () => unknown): unknown {
  try {
    work();
    return null;
  } catch (error) {
    return error;
  }
}
