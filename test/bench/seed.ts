import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { openSqlite } from "../../core/runtime/sqlite.ts";
import { uuidv7 } from "../../core/runtime/uuid.ts";
import { foldReader } from "../../core/storage/rollup-fold.ts";
import { rollupWriter } from "../../core/storage/rollup-writer.ts";
import { sqliteDatabase } from "../../core/storage/sqlite-database.ts";
import { openSqliteDatabase } from "../../core/storage/sqlite.ts";

const callsPerStatement = 100_000;
const keysPerTurn = 1_000;
const usedKeys = 200;
/** Far more at once than a serving process may. */
const foldSize = { calls: 100_000, groups: 1_000_000 };
const spreadMs = 90 * 86_400_000;

export interface Seed {
  readonly calls: number;
  readonly keys: number;
  /** Whether the calls are left for the first start to fold into the rollups, as after an upgrade. Default: no. */
  readonly unfolded?: boolean;
}

/** Fills a new data folder with finished calls of the last 90 days, their charges, and keys, of which the first two hundred made them. */
export async function seed(dataDir: string, { calls, keys, unfolded = false }: Seed): Promise<void> {
  mkdirSync(dataDir, { recursive: true, mode: 0o700 });
  const path = join(dataDir, "llm-proxy.db");
  const database = await openSqliteDatabase({ path, synchronous: "normal", now: Date.now, onBackup: () => {} });
  const nowMs = Date.now();
  for (let made = 0; made < keys; made += keysPerTurn)
    await Promise.all(
      Array.from({ length: Math.min(keysPerTurn, keys - made) }, () => {
        const id = uuidv7(nowMs);
        const shown = { name: "seeded", prefix: `sk-llmp-${id.slice(-12)}`, last4: id.slice(-4) };
        const rules = {
          models: "all",
          limits: {},
          cidrs: [],
          imported: false,
          operations: "all",
          routes: "all",
          metadata: {},
          declaredAs: null,
          expiresMs: null,
        } as const;
        return database.keys.create(
          { id, accountId: "default", digest: id.repeat(2), createdMs: nowMs, ...shown, ...rules },
          null,
        );
      }),
    );
  await database.close();
  if (calls > 0) await seedCalls(path, calls, Math.min(keys, usedKeys), nowMs);
  if (calls > 0 && !unfolded) await foldCalls(path);
}

async function seedCalls(path: string, calls: number, keys: number, nowMs: number): Promise<void> {
  const client = await openSqlite(path);
  client.exec(
    "PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF; PRAGMA cache_size = -262144; PRAGMA temp_store = MEMORY;",
  );
  // Built once at the end: kept while rows come, they cost more than the rows.
  const indexes = client
    .prepare(
      "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND tbl_name IN ('calls', 'ledger') AND sql IS NOT NULL",
    )
    .values();
  for (const [name] of indexes) client.exec(`DROP INDEX "${String(name)}"`);
  const label = client.prepare("INSERT INTO labels (text) VALUES (?) RETURNING ref");
  const ref = (text: string) => Number(label.values(text)[0]?.[0]);
  const models = Array.from({ length: 20 }, (_, at) => ref(`seeded-model-${at}`));
  const refs = {
    principal: ref("seeded"),
    dialect: ref("openai-chat"),
    operation: ref("chat"),
    provider: ref("seeded-provider"),
    finish: ref("stop"),
  };
  const account = Number(client.prepare("SELECT ref FROM accounts WHERE id = 'default'").values()[0]?.[0]);
  const insert = client.prepare(`
    WITH RECURSIVE n(i) AS (SELECT ? UNION ALL SELECT i + 1 FROM n WHERE i + 1 < ?)
    INSERT INTO calls (seq, id, created_ms, finished_ms, account_ref, key_ref, principal_ref, dialect_ref, operation_ref, model_ref,
      provider_ref, upstream_model_ref, status, source, input_tokens, cache_read_tokens, cache_write_tokens,
      cache_write_1h_tokens, output_tokens, reasoning_tokens, cost_nano, charge_nano, finish_ref, stream, ttft_ms,
      http_status, held_nano, attempt_count, upstream_id, upstream_status)
    SELECT i, printf('seeded-%012d', i), ? + i * ?, ? + i * ? + 900, ${account}, ${keys > 0 ? `1 + i % ${keys}` : "NULL"}, ${refs.principal}, ${refs.dialect},
      ${refs.operation}, ${models[0]} + i % ${models.length}, ${refs.provider}, ${models[0]} + i % ${models.length},
      CASE WHEN i % 50 = 0 THEN 'upstream_error' ELSE 'ok' END, 'provider', 300, 0, 0, 0, 200, 0, 700000, 700000,
      ${refs.finish}, i % 2, 120, 200, 0, 1, printf('up-%d', i), 200 FROM n`);
  const charge = client.prepare(`
    INSERT INTO ledger (account_ref, call_seq, kind, delta_nano, created_ms)
    SELECT account_ref, seq, 'charge', -charge_nano, finished_ms FROM calls WHERE seq >= ? AND seq < ?`);
  const [startMs, stepMs] = [nowMs - spreadMs, Math.floor(spreadMs / calls)];
  for (let from = 1; from <= calls; from += callsPerStatement) {
    const to = Math.min(from + callsPerStatement, calls + 1);
    client.exec("BEGIN");
    insert.run(from, to, startMs, stepMs, startMs, stepMs);
    charge.run(from, to);
    client.exec("COMMIT");
  }
  for (const [, sql] of indexes) client.exec(String(sql));
  client.exec("PRAGMA wal_checkpoint(TRUNCATE)");
  client.close();
}

async function foldCalls(path: string): Promise<void> {
  const client = await openSqlite(path);
  client.exec("PRAGMA synchronous = OFF;");
  const database = sqliteDatabase(client);
  const next = foldReader(database);
  const rollups = rollupWriter(client, database);
  for (let fold = next(foldSize); fold !== null; fold = next(foldSize)) {
    client.exec("BEGIN");
    rollups.add(fold);
    client.exec("COMMIT");
  }
  client.exec("PRAGMA wal_checkpoint(TRUNCATE)");
  client.close();
}
