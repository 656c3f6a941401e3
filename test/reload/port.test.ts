import { expect, test } from "bun:test";
import { configFileOf } from "../support/config-file.ts";
import { freePort, Gateway } from "../support/process.ts";

test("links lead to the port that is listened on, also when the file names another one until the next start", async () => {
  const [port, next] = [await freePort(), await freePort()];
  const config = (server: string) => `server: { ${server} }\n`;
  const alone = new Gateway(port, { config: config(`port: ${port}`), env: { PORT: undefined } });
  try {
    await alone.start();
    const itsFile = configFileOf(alone);
    const links = async () => {
      const { servers } = await alone.admin<{ servers: { url: string }[] }>("GET", "/openapi.json");
      const body = { email: `${crypto.randomUUID()}@example.com`, name: "X", role: "viewer" };
      const { link } = await alone.admin<{ link: { url: string } }>("POST", "/api/people", body);
      return [servers[0]?.url, new URL(link.url).origin];
    };
    const here = `http://localhost:${port}`;
    expect(await links()).toEqual([here, here]);
    expect(await itsFile.reloadWith(config(`port: ${next}`))).toMatchObject({
      ok: true,
      needsRestart: ["server.port"],
    });
    expect(await links()).toEqual([here, here]);
    await itsFile.reloadWith(config(`port: ${next}, publicUrl: "https://llm.example.com/"`));
    expect(await links()).toEqual(["https://llm.example.com", "https://llm.example.com"]);
  } finally {
    await alone.dispose();
  }
});
