import { and, eq, gt, lt } from "drizzle-orm";
import type { SessionRepository } from "../database.ts";
import type { GroupCommit } from "../group-commit.ts";
import { sessions } from "../schema/sqlite.ts";
import type { SqliteDatabase } from "../sqlite-database.ts";

export const sessionRepository = (database: SqliteDatabase, writer: GroupCommit): SessionRepository => ({
  create: (digest, session) =>
    writer.run(() => {
      // Expired ones are swept here, so that the table never holds more than the logins of one session's life.
      database.delete(sessions).where(lt(sessions.expiresMs, session.createdMs)).run();
      database
        .insert(sessions)
        .values({ digest, ...session })
        .run();
    }),
  find: (digest, nowMs) =>
    database
      .select({ role: sessions.role, createdMs: sessions.createdMs, expiresMs: sessions.expiresMs })
      .from(sessions)
      .where(and(eq(sessions.digest, digest), gt(sessions.expiresMs, nowMs)))
      .all()[0] ?? null,
  remove: (digest) =>
    writer.run(() => {
      database.delete(sessions).where(eq(sessions.digest, digest)).run();
    }),
});
