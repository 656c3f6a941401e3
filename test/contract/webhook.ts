import { describe, expect, test } from "bun:test";
import type { Awaitable, SlotExtras } from "llm-proxy/plugin";

export interface WebhookContract {
  /** As its sender makes it: signed, and just now. */
  readonly genuine: () => Awaitable<Request>;
  /** What others make of that, each by its name: another body, signature or time, none at all. */
  readonly forged: Readonly<Record<string, () => Awaitable<Request>>>;
}

/** What every plugin with a `webhook` must do, whatever its kind. `create` makes a fresh one for each test. */
export function testWebhook(create: () => Awaitable<SlotExtras>, { genuine, forged }: WebhookContract): void {
  const tell = async (request: Request): Promise<Response> => {
    const slot = await create();
    if (!slot.webhook) throw new Error("it has no webhook");
    return slot.webhook(request);
  };
  const bare = (init: RequestInit) => new Request("http://localhost/hooks/test", { method: "POST", ...init });

  describe("webhook contract", () => {
    test("takes what its sender tells", async () => {
      expect((await tell(await genuine())).ok).toBe(true);
    });

    test("refuses what somebody else made", async () => {
      expect(Object.keys(forged).length).toBeGreaterThan(0);
      for (const [name, make] of Object.entries(forged)) {
        const { status } = await tell(await make());
        expect([name, status >= 400 && status < 500]).toEqual([name, true]);
      }
    });

    test("refuses what nobody signed, and throws at nothing", async () => {
      const body = await (await genuine()).text();
      for (const init of [{}, { body }, { body: "{" }, { body: new Uint8Array([0xff, 0x00]) }]) {
        const { status } = await tell(bare(init));
        expect(status >= 400 && status < 500).toBe(true);
      }
    });
  });
}
