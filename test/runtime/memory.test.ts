import { describe, expect, test } from "bun:test";
import { processMemory } from "../../core/runtime/memory.ts";

const machine = 8e9;
const limitWith = (files: Readonly<Record<string, string>>) =>
  processMemory((path) => files[path] ?? null, machine).limitBytes;

describe("the memory limit", () => {
  const cases: readonly (readonly [what: string, files: Readonly<Record<string, string>>, limit: number])[] = [
    ["no control groups: the machine's", {}, machine],
    ["version 2", { "/proc/self/cgroup": "0::/app\n", "/sys/fs/cgroup/app/memory.max": "400000000\n" }, 4e8],
    [
      "version 2 without a limit",
      { "/proc/self/cgroup": "0::/app\n", "/sys/fs/cgroup/app/memory.max": "max\n" },
      machine,
    ],
    [
      "version 2, the tightest of those above",
      {
        "/proc/self/cgroup": "0::/a/b/c\n",
        "/sys/fs/cgroup/a/b/c/memory.max": "900000000\n",
        "/sys/fs/cgroup/a/memory.max": "300000000\n",
      },
      3e8,
    ],
    ["version 2 in a container", { "/proc/self/cgroup": "0::/\n", "/sys/fs/cgroup/memory.max": "500000000\n" }, 5e8],
    [
      "version 1, whose path is the host's",
      {
        "/proc/self/cgroup": "5:devices:/\n4:cpu,memory:/docker/0123\n0::/\n",
        "/sys/fs/cgroup/memory/memory.limit_in_bytes": "600000000\n",
      },
      6e8,
    ],
    [
      "version 1 without a limit",
      {
        "/proc/self/cgroup": "4:memory:/x\n",
        "/sys/fs/cgroup/memory/x/memory.limit_in_bytes": "9223372036854771712\n",
      },
      machine,
    ],
  ];
  for (const [what, files, limit] of cases) test(what, () => expect(limitWith(files)).toBe(limit));
});

describe("the memory in use", () => {
  test("is the group's where that is more, without files that the kernel would give up", () => {
    const files: Record<string, string> = {
      "/proc/self/cgroup": "0::/\n",
      "/sys/fs/cgroup/memory.max": "7000000000\n",
      "/sys/fs/cgroup/memory.current": "6000000000\n",
      "/sys/fs/cgroup/memory.stat": "anon 5\ninactive_file 1000000000\n",
    };
    expect(processMemory((path) => files[path] ?? null, machine).usedBytes()).toBe(5e9);
  });

  test("is read from the group at each look once half of its limit is used, and else at every fifth", () => {
    const files: Record<string, string> = {
      "/proc/self/cgroup": "0::/\n",
      "/sys/fs/cgroup/memory.max": "7000000000\n",
      "/sys/fs/cgroup/memory.current": "3000000000\n",
      "/sys/fs/cgroup/memory.stat": "inactive_file 0\n",
    };
    const { usedBytes } = processMemory((path) => files[path] ?? null, machine);
    const lookAfter = (bytes: number) => {
      files["/sys/fs/cgroup/memory.current"] = String(bytes);
      return usedBytes();
    };
    expect([1e9, 2e9, 3e9, 4e9, 5e9, 6e9, 5.5e9].map(lookAfter)).toEqual([1e9, 1e9, 1e9, 1e9, 1e9, 6e9, 5.5e9]);
  });

  test("else what is resident", () => {
    const { usedBytes } = processMemory(() => null);
    expect(usedBytes()).toBeGreaterThan(10e6);
    expect(usedBytes()).toBeLessThan(machine);
  });
});
