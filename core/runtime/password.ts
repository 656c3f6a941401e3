/** Memory in KiB and passes of one hash: more than the least that OWASP asks of Argon2id (19 MiB, 2 passes). */
const memoryKiB = 65_536;
const passes = 2;

/** Argon2id (RFC 9106) in the PHC format, the same under each runtime. Takes some 0.1 s, and 64 MiB meanwhile. */
export async function hashPassword(password: string): Promise<string> {
  if ("Bun" in globalThis)
    return Bun.password.hash(password, { algorithm: "argon2id", memoryCost: memoryKiB, timeCost: passes });
  return hashElsewhere(password);
}

/** `false` for a text that is no hash as well. */
export async function verifyPassword(password: string, hash: string): Promise<boolean> {
  if (!hash.startsWith("$argon2id$")) return false;
  if ("Bun" in globalThis) return Bun.password.verify(password, hash);
  return verifyElsewhere(password, hash);
}

/** Without Bun; exported so that a test can hold both to the same format. It holds up the event loop. */
export async function hashElsewhere(password: string): Promise<string> {
  const { argon2id } = await import("hash-wasm");
  const salt = crypto.getRandomValues(new Uint8Array(32));
  return argon2id({
    password,
    salt,
    parallelism: 1,
    iterations: passes,
    memorySize: memoryKiB,
    hashLength: 32,
    outputType: "encoded",
  });
}

export async function verifyElsewhere(password: string, hash: string): Promise<boolean> {
  // There it is no password to compare, and an error.
  if (password === "") return false;
  const { argon2Verify } = await import("hash-wasm");
  return argon2Verify({ password, hash });
}
