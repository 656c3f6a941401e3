import type { DashboardDependencies } from "../../core/dashboard/route.ts";

type FakePeople = Pick<DashboardDependencies, "people" | "own" | "signIn" | "issuers" | "keyHolders">;

/** Nobody is there but the operator. Tests with people use a real database. */
export const fakePeople = (): FakePeople => ({
  people: {
    list: async () => ({ data: [], next: null }),
    get: async () => null,
    create: unreached,
    change: async () => null,
    unlink: async () => null,
    remove: async () => false,
    renewLink: async () => null,
    dropTotp: async () => null,
    sessions: async () => null,
    endSession: async () => false,
    tokens: async () => null,
    addToken: async () => null,
    removeToken: async () => false,
  },
  own: {
    rename: unreached,
    person: async () => null,
    unlink: async () => null,
    setPassword: unreached,
    sessions: async () => [],
    endSession: async () => false,
    tokens: unreached,
    addToken: unreached,
    removeToken: unreached,
    beginTotp: unreached,
    begunTotp: unreached,
    confirmTotp: unreached,
    dropTotp: unreached,
  },
  keyHolders: {
    sessions: { takesKeys: true, open: async () => null, find: async () => null, close: async () => {} },
    self: {
      begin: unreached,
      secretOf: unreached,
      view: unreached,
      usage: unreached,
      calls: unreached,
      rotate: unreached,
    },
  },
  issuers: { issuers: [], begin: async () => null, finish: async () => null, keep: () => "", end: async () => null },
  signIn: {
    passwords: true,
    password: async () => ({ done: "refused" }),
    code: async () => ({ done: "refused" }),
    newOwner: unreached,
    isInUse: async () => false,
    isPassword: async () => false,
    hashed: async (password) => password,
    linked: async () => null,
    takeLink: async () => ({ done: "refused" }),
  },
});

function unreached(): Promise<never> {
  return Promise.reject(new Error("not reached"));
}
