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
      retention: t.Optional(
        t.Object(
          {
            calls: t.Optional(
              t.String({
                pattern: "^[1-9]\\d{0,4}d$",
                expected: "a number of days, e.g. 400d",
                description:
                  "Calls are deleted this many days after their admission, e.g. `400d`; sums, budgets and the ledger stay. Default: never.",
              }),
            ),
          },
          { additionalProperties: false, description: "How long records are kept." },
        ),
      ),
    },
    { additionalProperties: false },
  ),
  setup: ({ path, synchronous, retention }, { dataDir, logger, now }) => ({
    open: () =>
      openSqliteDatabase({
        path: path ?? resolve(dataDir, "llm-proxy.db"),
        synchronous,
        now,
        keepMs: daysIn(retention?.calls),
        onUpgrade: (versions) =>
          logger.info(versions, "the database is copied and upgraded; a large one takes minutes"),
        onBackup: (backup) => logger.info({ backup }, "the database was copied before its upgrade"),
        threads: {
          onDamage: (detail) =>
            logger.error(
              { detail },
              "the database file is damaged: no call is taken; run doctor, which says what to do",
            ),
          onDeath: (error) => logger.error({ error }, "a thread of the storage ended; another one is started"),
        },
      }),
  }),
});

/** As `config` has checked it: `400d`. In milliseconds. */
const daysIn = (text: string | undefined): number | undefined =>
  text === undefined ? undefined : Number.parseInt(text, 10) * 86_400_000;
