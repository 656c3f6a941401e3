import first from "./0000_first.sql" with { type: "text" };
import rollups from "./0001_rollups.sql" with { type: "text" };
import accountsBudgets from "./0002_accounts_budgets.sql" with { type: "text" };
import callBlocks from "./0003_call_blocks.sql" with { type: "text" };
import prices from "./0004_prices.sql" with { type: "text" };
import accountNames from "./0005_account_names.sql" with { type: "text" };
import upkeep from "./0006_upkeep.sql" with { type: "text" };
import keptAnswers from "./0007_kept_answers.sql" with { type: "text" };
import content from "./0008_content.sql" with { type: "text" };
import people from "./0009_people.sql" with { type: "text" };
import limits from "./0010_limits.sql" with { type: "text" };
import disabledAccounts from "./0011_disabled_accounts.sql" with { type: "text" };
import keyTerms from "./0012_key_terms.sql" with { type: "text" };
import outbox from "./0013_outbox.sql" with { type: "text" };
import adjustmentEntries from "./0014_adjustment_entries.sql" with { type: "text" };
import accountTerms from "./0015_account_terms.sql" with { type: "text" };
import audit from "./0016_audit.sql" with { type: "text" };
import credentials from "./0017_credentials.sql" with { type: "text" };
import personLogins from "./0018_person_logins.sql" with { type: "text" };
import callLabels from "./0019_call_labels.sql" with { type: "text" };
import attempts from "./0020_attempts.sql" with { type: "text" };
import openSlots from "./0021_open_slots.sql" with { type: "text" };
import liveKeys from "./0022_live_keys.sql" with { type: "text" };

/** In order; the n-th brings the schema to version n. A landed one is never edited. */
export const sqliteMigrations: readonly string[] = [
  first,
  rollups,
  accountsBudgets,
  callBlocks,
  prices,
  accountNames,
  upkeep,
  keptAnswers,
  content,
  people,
  limits,
  disabledAccounts,
  keyTerms,
  outbox,
  adjustmentEntries,
  accountTerms,
  audit,
  credentials,
  personLogins,
  callLabels,
  attempts,
  openSlots,
  liveKeys,
];
