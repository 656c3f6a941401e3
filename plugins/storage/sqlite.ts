import { resolve } from "node:path";
import { definePlugin, t } from "llm-proxy/plugin";
import { openSqliteDatabase } from "../../core/storage/sqlite.ts";

export default definePlugin({
  kind: "storage",
  name: "sqlite",
  api: 1,
  description: "One SQLite file in the data folder.",
  config: t.Object(
    {
      path: t.Optional(
        t.String({
          minLength: 1,
          filePath: true,
          description: "The database file. Default: `llm-proxy.db` in the data folder.",
        }),
      ),
      synchronous: t.Union([t.Literal("normal"), t.Literal("full")], {
        default: "normal",
        description: "What a power cut may cost: `normal` the last commits, `full` nothing, at a tenth of the speed.",
      }),
    },
    { additionalProperties: false },
  ),
  setup: ({ path, synchronous }, { dataDir, logger, now }) => ({
    open: () =>
      openSqliteDatabase({
        path: path ?? resolve(dataDir, "llm-proxy.db"),
        synchronous,
        now,
        onUpgrade: (versions) =>
          logger.info(versions, "the database is copied and upgraded; a large one takes minutes"),
        onBackup: (backup) => logger.info({ backup }, "the database was copied before its upgrade"),
        threads: {
          onDeath: (error) => logger.error({ error }, "a thread of the storage ended; another one is started"),
        },
      }),
  }),
});
