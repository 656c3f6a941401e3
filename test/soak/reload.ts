import { readFileSync } from "node:fs";
import { join } from "node:path";
import { setInterval } from "node:timers/promises";
import { call, chat, type Reply } from "../support/clients.ts";
import { configFileOf } from "../support/config-file.ts";
import { invariants } from "../support/invariants.ts";
import { answers, frames, newUpstreamId } from "../support/openai-answers.ts";
import { gate, until } from "../support/poll.ts";
import { openStream } from "../support/scripts.ts";
import { setUp, type Setup } from "../support/setup.ts";
import { isAcknowledged, lost, usage } from "./load.ts";
import { doctor, neverShed, rssMb, type Soak, unhandled } from "./soak.ts";

const noted = join(import.meta.dir, "..", "fixtures", "plugins", "noted.ts");
/** Between two events of a stream that stays open. */
const eventMs = 250;
/** One of so many is broken, in another way each time. */
const brokenEvery = 5;
/** Of the memory after a fifth of the reloads, when the process has found its size. */
const flat = 1.25;

/** Reloads one after the other, good ones and broken ones, under a steady rush of calls and streams: none of them notices. */
export const reload: Soak = async ({ count, print }) => {
  const each = count >= 100 ? 200 : 40;
  const setup = await setUp({
    config: `server: { ${neverShed} }\nobserver: { log: {} }`,
    key: { name: "under way", budget: { usd: 1_000_000, window: "lifetime" }, limits: { concurrency: 100_000 } },
  });
  try {
    const { gateway, upstream } = setup;
    const file = configFileOf(gateway);
    const notes = join(gateway.directory, "notes.txt");
    const configOf = (name: string) =>
      `${file.first.replace(/^observer:.*$/m, `observer: { log: {}, kept: { use: "${noted}", path: "${notes}", label: kept }, changed: { use: "${noted}", path: "${notes}", label: "${name}" } }`)}models: { ${name}: [mock/fast] }\n`;
    await file.reloadWith(configOf("first"));
    upstream.on("fast", answers(usage));
    const end = gate();
    const streams = await openStreams(setup, each, end.opened);
    const calls = steadyCalls(setup, each);

    const tookMs: number[] = [];
    const sizes: number[] = [];
    const wrong: string[] = [];
    for (let at = 1; at <= count; at++) {
      if (at % brokenEvery === 0) {
        const said = await file
          .reloadWith(broken[(at / brokenEvery) % broken.length]?.(configOf("never")) ?? "")
          .catch(String);
        if (typeof said !== "string") wrong.push(`reload ${at} took a broken config`);
      }
      const startMs = performance.now();
      await file.reloadWith(configOf(`g${at}`));
      const ready = (await gateway.get("/readyz"))?.status;
      const reply = await call(gateway, setup.key.key, chat(`g${at}`));
      tookMs.push(performance.now() - startMs);
      if (ready !== 200 || reply.status !== 200)
        wrong.push(`after reload ${at}: /readyz ${ready}, its alias ${reply.status}`);
      calls.own(reply);
      sizes.push(rssMb(gateway));
      if (at % Math.ceil(count / 5) === 0)
        print(`${at} reloads: ${rssMb(gateway).toFixed(0)} MB, ${calls.made()} calls`);
    }
    // Garbage of configs is old by the time it is one, and old garbage is looked for now and then: so it is waited for.
    const [early, most] = [Math.max(...sizes.slice(0, Math.ceil(count / 5))), Math.max(...sizes)];
    const isFlat =
      count < 50 ||
      (await until("memory falls", () => rssMb(gateway) <= early * flat, { deadlineMs: 120_000, everyMs: 100 }).catch(
        () => false,
      ));
    const late = rssMb(gateway);
    const made = await calls.stop();
    end.open();
    const replies = await Promise.all(streams);
    await until("nothing of before is in use", async () => (await file.state()).callsBefore.length === 0);

    const failed = made.filter(({ reply }) => reply === null || reply.status !== 200);
    const cut = replies.filter((reply) => !isAcknowledged(reply, true));
    const inOrder = tookMs.toSorted((left, right) => left - right);
    // On a machine that others use too, the slowest of all tell of it and not of us.
    const [usualMs = Number.NaN, slowMs = Number.NaN] = [inOrder[count >> 1], inOrder[Math.floor(count * 0.9)]];
    const lines = readFileSync(notes, "utf8").split("\n");
    const counted = (what: string) => lines.filter((line) => line.startsWith(`${what} `)).length;
    print(
      `${made.length} calls at ${each}/s, ${failed.length} failed; ${replies.length} streams open all the time, ${cut.length} cut`,
    );
    print(
      `until a call went by the new config: median ${usualMs.toFixed(0)} ms, nine in ten within ${slowMs.toFixed(0)} ms, longest ${inOrder.at(-1)?.toFixed(0)} ms`,
    );
    print(
      `plugins: ${counted("setup")} set up, ${counted("dispose")} disposed; memory ${early.toFixed(0)} MB after a fifth, at most ${most.toFixed(0)} MB, in the end ${late.toFixed(0)} MB`,
    );
    await invariants(setup);
    return [
      ...wrong,
      ...(failed.length === 0
        ? []
        : [`${failed.length} calls failed, e.g. ${failed[0]?.reply?.text ?? "without an answer"}`]),
      ...(cut.length === 0 ? [] : [`${cut.length} streams were cut, e.g. after ${cut[0]?.text.slice(-200)}`]),
      ...(count < 50 || slowMs <= 1_000 ? [] : [`one in ten reloads took more than ${slowMs.toFixed(0)} ms`]),
      // In use are `kept` and the last `changed`.
      ...(counted("setup") - counted("dispose") === 2 ? [] : ["a plugin was disposed more or less than once"]),
      ...toldAfterwards(lines),
      ...(isFlat ? [] : ["memory grows with the number of reloads"]),
      ...lost(
        setup,
        made.flatMap(({ reply }) => (reply?.status === 200 ? [reply.callId] : [])),
      ),
      ...unhandled(gateway),
      ...(await doctor(gateway)),
    ];
  } finally {
    await setup.stop();
  }
};

/** Plugins that were told of a call when they were disposed already. Of `kept` there are some that never came into use. */
function toldAfterwards(notes: readonly string[]): readonly string[] {
  const disposed = new Set<string>();
  const late = new Set<string>();
  for (const note of notes) {
    const [what, label = ""] = note.split(" ");
    if (what === "dispose" && label !== "kept") disposed.add(label);
    if (what === "call" && disposed.has(label)) late.add(label);
  }
  return late.size === 0 ? [] : [`${late.size} plugins were disposed before their last call, e.g. ${[...late][0]}`];
}

const broken: readonly ((text: string) => string)[] = [
  (text) => `${text}providr: {}\n`,
  (text) => text.replace("label: kept", "label: kept, fails: setup"),
  (text) => text.replace("label: kept", "label: kept, fails: probe"),
  (text) => text.replace("[mock/fast]", "[nobody/fast]"),
  () => "provider: {{",
];

/** Resolves when all have begun; each of the replies when its stream has ended, after `ended`. */
async function openStreams(
  { gateway, upstream, key }: Setup,
  count: number,
  ended: Promise<void>,
): Promise<Promise<Reply>[]> {
  let isOver = false;
  void ended.then(() => (isOver = true));
  upstream.on("long", async (exchange) => {
    const id = newUpstreamId();
    exchange.upstreamId = id;
    const [first = "", word = "", ...rest] = frames(id, { ...usage, text: "word" }, true);
    const stream = await openStream(exchange);
    await stream.send(first);
    for await (const _ of setInterval(eventMs)) {
      if (isOver || exchange.abandoned) break;
      await stream.send(word);
    }
    await stream.send(rest.join(""));
    await stream.end();
  });
  const begun = Array.from({ length: count }, () => gate());
  const replies = begun.map(({ open }) =>
    call(gateway, key.key, chat("mock/long", { stream: true }), { onPiece: open }),
  );
  await Promise.all(begun.map(({ opened }) => opened));
  return replies;
}

/** So many a second, half of them streams, whatever becomes of those before. */
function steadyCalls({ gateway, key }: Setup, perSecond: number) {
  const under: Promise<{ readonly reply: Reply | null }>[] = [];
  const own: Reply[] = [];
  let isOver = false;
  const running = (async () => {
    const startMs = performance.now();
    for await (const _ of setInterval(10)) {
      if (isOver) break;
      const due = ((performance.now() - startMs) / 1_000) * perSecond;
      while (under.length < due) {
        const body = chat("mock/fast", { stream: under.length % 2 === 0 });
        under.push(
          call(gateway, key.key, body).then(
            (reply) => ({ reply }),
            () => ({ reply: null }),
          ),
        );
      }
    }
  })();
  return {
    made: () => under.length,
    own: (reply: Reply) => void own.push(reply),
    async stop() {
      isOver = true;
      await running;
      return [...(await Promise.all(under)), ...own.map((reply) => ({ reply }))];
    },
  };
}
