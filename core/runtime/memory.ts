import { readFileSync } from "node:fs";
import { totalmem } from "node:os";

/** How much memory the process may have, and how much it has, in bytes. */
export interface Memory {
  /** The tightest of its control groups, or else what the machine has. */
  readonly limitBytes: number;
  usedBytes(): number;
}

type ReadText = (path: string) => string | null;

/** Reading the files of a control group costs more than asking for the resident size: far from its limit, every so many times is enough. */
const groupEvery = 5;

export function processMemory(readText: ReadText = textOf, machineBytes = totalmem()): Memory {
  const group = tightestGroup(readText, machineBytes);
  let asked = 0;
  let groupBytes = 0;
  let residentBytes = 0;
  return {
    limitBytes: group?.limitBytes ?? machineBytes,
    usedBytes() {
      // What the kernel holds for the sockets counts against the group and is no part of the resident size.
      if (group && (asked++ % groupEvery === 0 || Math.max(residentBytes, groupBytes) > group.limitBytes / 2))
        groupBytes = group.usedBytes();
      try {
        residentBytes = process.memoryUsage.rss();
      } catch {
        // It is read from a file: out of descriptors, what was so last is the best guess.
      }
      return Math.max(residentBytes, groupBytes);
    },
  };
}

/** Gives back what is no longer needed. Not at once, and where the runtime has no such call not at all. */
export function collectGarbage(): void {
  if ("Bun" in globalThis) Bun.gc(false);
}

interface Group {
  readonly limitBytes: number;
  usedBytes(): number;
}

/** Of the process's control groups and those above them, versions 1 and 2. `null`: none is tighter than the machine. */
function tightestGroup(readText: ReadText, machineBytes: number): Group | null {
  let tightest: Group | null = null;
  for (const { folder, limit, used } of groupFolders(readText("/proc/self/cgroup") ?? "")) {
    const limitBytes = numberIn(readText(`${folder}/${limit}`));
    if (limitBytes === null || limitBytes >= (tightest?.limitBytes ?? machineBytes)) continue;
    // Files that the kernel keeps in memory for their own sake are given up before anything is killed.
    tightest = {
      limitBytes,
      usedBytes: () =>
        (numberIn(readText(`${folder}/${used}`)) ?? 0) -
        (numberIn(/^(?:total_)?inactive_file (\d+)$/m.exec(readText(`${folder}/memory.stat`) ?? "")?.[1]) ?? 0),
    };
  }
  return tightest;
}

const version1 = { limit: "memory.limit_in_bytes", used: "memory.usage_in_bytes" };
const version2 = { limit: "memory.max", used: "memory.current" };

/** In a container the paths may be the host's: then only the last folder, the root of what is mounted, is there. */
const groupFolders = (text: string) =>
  text.split("\n").flatMap((line) => {
    const [, controllers, path] = /^\d+:([^:]*):(.*)$/.exec(line) ?? [];
    if (controllers === undefined || path === undefined) return [];
    if (controllers === "") return above(path).map((part) => ({ folder: `/sys/fs/cgroup${part}`, ...version2 }));
    if (!controllers.split(",").includes("memory")) return [];
    return above(path).map((part) => ({ folder: `/sys/fs/cgroup/memory${part}`, ...version1 }));
  });

/** "/a/b" → "/a/b", "/a", "". */
function above(path: string): string[] {
  const names = path.split("/").filter((name) => name !== "" && name !== "..");
  return [...names.keys(), names.length].reverse().map((length) =>
    names
      .slice(0, length)
      .map((name) => `/${name}`)
      .join(""),
  );
}

const numberIn = (text: string | null | undefined): number | null =>
  /^\d+\s*$/.test(text ?? "") ? Number(text) : null;

function textOf(path: string): string | null {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return null;
  }
}
