import { describe, expect, test } from "bun:test";
import { type Authenticator, type Awaitable, GatewayError } from "llm-proxy/plugin";
import { principalTrouble } from "../../core/plugin/principal-trouble.ts";

export interface AuthContract {
  /** Passes. */
  readonly valid: string;
  /** Of this plugin's kind, but bad: unknown, wrong, expired, revoked. Never the empty string. */
  readonly invalid: readonly [string, ...string[]];
  /** Of another kind, which another instance may know. */
  readonly foreign: readonly string[];
}

/** What every `auth` plugin must do. `create` makes a fresh one for each test. */
export function testAuth(create: () => Awaitable<Authenticator>, { valid, invalid, foreign }: AuthContract): void {
  const request = () => new Request("http://localhost/v1/chat/completions", { method: "POST" });
  const outcome = async (credential: string) => {
    const authenticator = await create();
    try {
      return await authenticator.authenticate(credential, request());
    } catch (error) {
      return error;
    }
  };

  describe("auth contract", () => {
    test("a valid credential names who is calling, each time the same", async () => {
      const authenticator = await create();
      const first = await authenticator.authenticate(valid, request());
      expect(first).toMatchObject({
        name: expect.any(String),
        accountId: expect.any(String),
        limits: expect.any(Object),
      });
      expect(await authenticator.authenticate(valid, request())).toEqual(first);
    });

    test("who is calling comes whole, as the host takes it, and without the credential", async () => {
      const principal = await (await create()).authenticate(valid, request());
      expect(principalTrouble(principal)).toBeNull();
      expect(principal?.keyId).not.toBe("");
      expect([principal?.models].flat()).not.toContain("");
      expect(JSON.stringify(principal)).not.toContain(valid);
    });

    test("the body is left to the host", async () => {
      const asked = new Request("http://localhost/v1/chat/completions", { method: "POST", body: "{}" });
      await (await create()).authenticate(valid, asked);
      expect(asked.bodyUsed).toBe(false);
    });

    test("calls that come together are told apart: the good one passes, the bad one is refused", async () => {
      const authenticator = await create();
      const ask = async (credential: string) => {
        try {
          return (await authenticator.authenticate(credential, request()))?.name ?? null;
        } catch {
          return "refused";
        }
      };
      const [bad] = invalid;
      const { name } = (await authenticator.authenticate(valid, request())) ?? {};
      const mixed = Array.from({ length: 40 }, (_, at) => (at % 2 === 0 ? valid : bad));
      const expected = mixed.map((credential) => (credential === valid ? (name ?? null) : "refused"));
      expect(await Promise.all(mixed.map(ask))).toEqual(expected);
    });

    test("no credential and a foreign one are left to the next instance", async () => {
      for (const credential of ["", " ", ...foreign]) expect(await outcome(credential)).toBeNull();
    });

    test("a bad one is refused as unauthenticated, all in the same words", async () => {
      const messages = new Set<string>();
      for (const credential of invalid) {
        const error = await outcome(credential);
        expect(error).toBeInstanceOf(GatewayError);
        if (!(error instanceof GatewayError)) continue;
        expect(error.kind).toBe("unauthenticated");
        messages.add(error.message);
      }
      expect(messages.size).toBe(1);
    });

    test("a refusal repeats nothing of the credential", async () => {
      for (const credential of invalid)
        expect(String(await outcome(credential))).not.toContain(credential.slice(0, -4));
    });
  });
}
