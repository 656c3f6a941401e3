/** What a person, or what acts for one, may be; each may do what those after it may. */
export const roles = ["owner", "admin", "viewer", "member"] as const;
export type Role = (typeof roles)[number];

/** Who asks for something, for what it may see, and for the record of what it changed. */
export interface Actor {
  /** `admin-token`: whoever holds the operator's credential, alone or in a session. */
  readonly kind: "admin-token" | "person" | "api-token";
  /** Of the person; `null` for the admin token, which many may hold. */
  readonly id: string | null;
  /** As it is written down beside a change. */
  readonly name: string;
  readonly role: Role;
  /** The account that it belongs to: it sees that one and what is below it. `null`: everything. */
  readonly accountId: string | null;
  /** The peer's address; `null` where it cannot be known. */
  readonly address: string | null;
}

/** An actor as it is known before its request is looked at. */
export type Holder = Omit<Actor, "address">;

/** Whoever holds the admin token, or the link of the first start. */
export const operator: Holder = {
  kind: "admin-token",
  id: null,
  name: "admin token",
  role: "owner",
  accountId: null,
};

interface Grant {
  readonly roles: readonly Role[];
  /** Only for those that belong to no account: what it shows or changes is not of one account. */
  readonly whole?: true;
}

const readers: Grant = { roles: ["owner", "admin", "viewer"] };
const writers: Grant = { roles: ["owner", "admin"] };
const whole = (grant: Grant): Grant => ({ ...grant, whole: true });

/** Who may do what: the one table. Each route names its permission; a name ends in `.write` where something changes. */
export const policy = {
  "accounts.read": readers,
  "accounts.write": writers,
  "audit.read": writers,
  /** Of the log as a whole. */
  "audit.verify": whole(writers),
  "budgets.read": readers,
  "budgets.write": writers,
  "calls.read": readers,
  /** Of the calls of one's own keys. */
  "calls.read.own": { roles },
  "config.read": whole(readers),
  /** Decides what code runs, and for whom. */
  "config.write": whole({ roles: ["owner"] }),
  /** Prompts and answers, where they are stored. */
  "content.read": writers,
  "content.write": writers,
  "credentials.read": whole(readers),
  "credentials.write": whole(writers),
  /** Not for those whose own account it would be. */
  "credits.write": whole(writers),
  "description.read": { roles },
  "estimates.read": whole(readers),
  "keys.read": readers,
  "keys.write": writers,
  "ledger.read": readers,
  /** Rates calls of the past again. */
  "ledger.write": whole(writers),
  "limits.read": readers,
  "limits.write": writers,
  "me.read": { roles },
  /** One's own password, sessions and tokens. */
  "me.write": { roles },
  "metrics.read": whole(readers),
  /** Alerts and usage on their way to receivers. */
  "outbox.read": whole(readers),
  "outbox.write": whole(writers),
  "people.read": writers,
  "people.write": writers,
  "prices.read": whole(readers),
  "prices.write": whole(writers),
  "providers.read": whole(readers),
  /** A call that the operator pays for. */
  "test-calls.write": whole(writers),
  "usage.read": readers,
} as const satisfies Readonly<Record<string, Grant>>;

export type Permission = keyof typeof policy;

/** What a refusal lies in: the role, or that whoever asks belongs to an account. */
export const refusedFor = ({ role }: Pick<Actor, "role">, permission: Permission): "role" | "account" => {
  const grant: Grant = policy[permission];
  return grant.roles.includes(role) ? "account" : "role";
};

export function permits({ role, accountId }: Pick<Actor, "role" | "accountId">, permission: Permission): boolean {
  const grant: Grant = policy[permission];
  return grant.roles.includes(role) && (grant.whole !== true || accountId === null);
}
