import { and, eq } from "drizzle-orm";
import type { SettingRepository } from "../database.ts";
import type { AuditedWriter } from "../audit-writer.ts";
import { settings } from "../schema/sqlite.ts";
import type { SqliteDatabase } from "../sqlite-database.ts";

export const settingRepository = (database: SqliteDatabase, writer: AuditedWriter): SettingRepository => ({
  get: (name) => database.select().from(settings).where(eq(settings.name, name)).all()[0]?.value ?? null,
  set: (name, value) =>
    writer.run((tell) => {
      // Secrets are among the values.
      const change = { action: "setting.change", object: { kind: "setting", id: name }, accountId: null };
      tell({ ...change, before: null, after: { value: "changed" } });
      database
        .insert(settings)
        .values({ name, value })
        .onConflictDoUpdate({ target: settings.name, set: { value } })
        .run();
    }),
  take: (name, value) =>
    writer.run(
      () =>
        database
          .delete(settings)
          .where(and(eq(settings.name, name), eq(settings.value, value)))
          .returning({ name: settings.name })
          .all().length > 0,
    ),
});
