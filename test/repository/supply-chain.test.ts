import { describe, expect, test } from "bun:test";
import { join } from "node:path";
import { root, sources } from "./sources.ts";

interface Manifest {
  readonly packageManager: string;
  readonly scripts: Readonly<Record<string, string>>;
  readonly dependencies: Readonly<Record<string, string>>;
  readonly devDependencies: Readonly<Record<string, string>>;
  readonly trustedDependencies: readonly string[];
}
/** Name and version, registry (empty: the default one), dependencies, integrity. */
type Locked = readonly [id: string, registry: string, info: object, integrity: string];

const read = (path: string): Promise<string> => Bun.file(join(root, path)).text();
const manifest: Manifest = JSON.parse(await read("package.json"));
const lockText = await read("bun.lock");
const lock: { readonly packages: Readonly<Record<string, Locked>> } = Bun.JSONC.parse(lockText) as never; // bun.lock is JSON with trailing commas
const bunVersion = manifest.packageManager.replace("bun@", "");

describe("dependencies", () => {
  test("are pinned to exact versions", () => {
    const all = Object.entries({ ...manifest.dependencies, ...manifest.devDependencies });
    expect(all.length).toBeGreaterThan(0);
    expect(all.filter(([, version]) => !/^\d+\.\d+\.\d+(-[\w.]+)?$/.test(version))).toEqual([]);
  });

  test("come from the registry alone, each with its hash", () => {
    const locked = Object.values(lock.packages);
    expect(locked.length).toBeGreaterThan(Object.keys(manifest.dependencies).length);
    expect(lockText).not.toMatch(/https?:|git[+:]|github:|"(file|link|workspace):/);
    const odd = locked.filter(([, registry, , integrity]) => registry !== "" || !/^sha512-[\w+/]+=*$/.test(integrity));
    expect(odd).toEqual([]);
  });

  test("agree with the lockfile, which an install leaves as it is", () => {
    for (const _ of ["first", "second"]) {
      const install = Bun.spawnSync(["bun", "install", "--frozen-lockfile", "--dry-run"], { cwd: root });
      expect(install.stderr.toString()).not.toContain("lockfile had changes");
      expect(install.exitCode).toBe(0);
    }
    expect(Bun.file(join(root, "bun.lock")).text()).resolves.toBe(lockText);
  });

  test("run no script of theirs, and we run none at install", () => {
    expect(manifest.trustedDependencies).toEqual([]);
    const own = Object.keys(manifest.scripts);
    const atInstall = own.filter((name) => /^(pre|post)|^(install|prepare|prepack|dependencies)$/.test(name));
    expect(atInstall).toEqual([]);
  });

  test("are at least seven days old when they get in", async () => {
    const { install } = Bun.TOML.parse(await read("bunfig.toml")) as { install: Record<string, unknown> }; // checked below
    expect(install["minimumReleaseAge"]).toBeGreaterThanOrEqual(7 * 24 * 3600);
    expect(install["minimumReleaseAgeExcludes"]).toEqual(["bun-types"]);
    expect(install["auto"]).toBe("disable");
  });

  test("at run time are the ones that the README gives a reason for", async () => {
    const section = /^## Dependencies\n([\s\S]*)/m.exec(await read("README.md"))?.[1] ?? "";
    const named = [...section.matchAll(/^- `([^`]+)`/gm)].map(([, name]) => name);
    expect(new Set(named)).toEqual(new Set(Object.keys(manifest.dependencies)));
  });
});

describe("repository", () => {
  test("holds at its top what the tools demand and nothing else", () => {
    const git = Bun.spawnSync(["git", "ls-files", "--cached", "--others", "--exclude-standard"], { cwd: root });
    if (git.exitCode !== 0) return console.log("skipped: 1 check of the top level, this is no git checkout");
    const top = new Set(
      git.stdout
        .toString()
        .trim()
        .split("\n")
        .map((path) => path.split("/")[0]),
    );
    expect([...top].filter((name) => !allowedAtTop.has(name ?? ""))).toEqual([]);
  });

  test("names one version of Bun everywhere", async () => {
    const files = (await Promise.all(["{*.md,Dockerfile}", ".ci/*"].map(sources))).flat();
    const named = files.flatMap(({ text }) =>
      [...text.matchAll(/\bbun[@: ](\d[\w.]*\d)/gi)].map(([, version]) => version),
    );
    expect(named.length).toBeGreaterThan(0);
    expect([...new Set(named)]).toEqual([bunVersion]);
    expect(manifest.devDependencies["bun-types"]).toBe(bunVersion);
  });
});

const allowedAtTop = new Set(
  [
    "core plugins views migrations test deploy .ci .github",
    "package.json bun.lock bunfig.toml tsconfig.json .oxlintrc.json knip.jsonc",
    ".gitignore .gitattributes .editorconfig .dockerignore Dockerfile compose.yaml",
    "README.md LICENSE CHANGELOG.md CONTRIBUTING.md SECURITY.md llm-proxy.example.yaml llm-proxy.schema.json",
  ].flatMap((line) => line.split(" ")),
);
