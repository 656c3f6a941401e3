DROP VIEW `v_usage`;--> statement-breakpoint
CREATE TABLE `__new_open_calls` (
	`slot` integer PRIMARY KEY NOT NULL,
	`id` text NOT NULL,
	`created_ms` integer NOT NULL,
	`account_ref` integer NOT NULL,
	`key_ref` integer,
	`principal_ref` integer NOT NULL,
	`dialect_ref` integer NOT NULL,
	`operation_ref` integer NOT NULL,
	`model_ref` integer NOT NULL,
	`provider_ref` integer NOT NULL,
	`upstream_model_ref` integer NOT NULL,
	`stream` integer NOT NULL,
	`holds` text NOT NULL,
	`held_nano` integer NOT NULL,
	`expected_tokens` integer,
	`expected_cost_nano` integer,
	`expected_charge_nano` integer,
	`price_version_ref` integer,
	`process` text NOT NULL,
	`labels_ref` integer
);
--> statement-breakpoint
INSERT INTO `__new_open_calls`("slot", "id", "created_ms", "account_ref", "key_ref", "principal_ref", "dialect_ref", "operation_ref", "model_ref", "provider_ref", "upstream_model_ref", "stream", "holds", "held_nano", "expected_tokens", "expected_cost_nano", "expected_charge_nano", "price_version_ref", "process", "labels_ref") SELECT row_number() OVER (ORDER BY "id"), "id", "created_ms", "account_ref", "key_ref", "principal_ref", "dialect_ref", "operation_ref", "model_ref", "provider_ref", "upstream_model_ref", "stream", "holds", "held_nano", "expected_tokens", "expected_cost_nano", "expected_charge_nano", "price_version_ref", "process", "labels_ref" FROM `open_calls`;--> statement-breakpoint
DROP TABLE `open_calls`;--> statement-breakpoint
ALTER TABLE `__new_open_calls` RENAME TO `open_calls`;--> statement-breakpoint
CREATE VIEW `v_usage` AS 
select c.id as call_id, a.id as account_id, k.id as key_id, p.text as principal, d.text as dialect, o.text as operation,
  m.text as model, pr.text as provider, um.text as upstream_model, c.status, c.source, c.input_tokens, c.cache_read_tokens,
  c.cache_write_tokens, c.cache_write_1h_tokens, c.output_tokens, c.reasoning_tokens,
  coalesce(coalesce(c.cost_nano, 0) + (select sum(j.cost_delta_nano) from adjustments j where j.call_seq = c.seq), c.cost_nano) as cost_nano,
  coalesce(coalesce(c.charge_nano, 0) + (select sum(j.charge_delta_nano) from adjustments j where j.call_seq = c.seq), c.charge_nano) as charge_nano,
  pv.text as price_version, f.text as finish_reason, c.stream, c.ttft_ms, c.finished_ms - c.created_ms as duration_ms,
  c.created_ms, c.finished_ms
from calls c join accounts a on a.ref = c.account_ref left join keys k on k.ref = c.key_ref
  join labels p on p.ref = c.principal_ref join labels d on d.ref = c.dialect_ref join labels o on o.ref = c.operation_ref
  join labels m on m.ref = c.model_ref left join labels pr on pr.ref = c.provider_ref
  left join labels um on um.ref = c.upstream_model_ref left join labels pv on pv.ref = c.price_version_ref
  left join labels f on f.ref = c.finish_ref
union all
select c.id, a.id, k.id, p.text, d.text, o.text, m.text, pr.text, um.text, 'open', null, null, null, null, null, null, null,
  null, null, null, null, c.stream, null, null, c.created_ms, null
from open_calls c join accounts a on a.ref = c.account_ref left join keys k on k.ref = c.key_ref
  join labels p on p.ref = c.principal_ref join labels d on d.ref = c.dialect_ref join labels o on o.ref = c.operation_ref
  join labels m on m.ref = c.model_ref join labels pr on pr.ref = c.provider_ref
  join labels um on um.ref = c.upstream_model_ref;