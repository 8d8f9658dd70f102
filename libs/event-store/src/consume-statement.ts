import { hash } from 'node:crypto';
import { schemaOf, type Message, type Owner } from '#contracts';
import type { WritePart } from './behaviour.js';
import { expectation } from './write-statement.js';

/** An event that is set aside, as a message for people. */
export type Dead = Message<{ readonly reason: string; readonly message: string }>;

const FIRST_PARAMETERS = 11;
const DEAD_PARAMETERS = 3;
const statements = new Map<string, { readonly name: string; readonly text: string }>();

/**
 * The one statement of a consumer: the rows that it makes of events, its place in each tenant, and its position, which
 * is the fence. It does not wait for the disk, because a crash only takes back effects that are read and written again.
 * Parameters: those of the position, then the numbers of rows (of the position, of the tenants, of each part), then
 * topic, ids and texts of dead letters where there are any, then the rows of each part.
 */
export const consumeStatement = (
  owner: Owner,
  source: Owner,
  parts: readonly WritePart[],
  hasDead: boolean,
): { readonly name: string; readonly text: string } => {
  const key = [owner, source, hasDead, ...parts.map(({ name }) => name)].join();
  const known = statements.get(key);
  if (known) return known;
  const [topic, ids, texts] = [1, 2, 3].map((index) => `$${FIRST_PARAMETERS + index}`);
  const all = parts.map((part, index) => {
    const rows = FIRST_PARAMETERS + (hasDead ? DEAD_PARAMETERS : 0) + 1 + index;
    return { ...part, rows: `$${rows}::json` };
  });
  const schema = schemaOf(owner);
  const text = `
    WITH ${[
      `moved AS (
      UPDATE ${schema}.positions SET epoch = $1, next_offset = $2
      WHERE consumer_group = $3 AND topic = $4 AND partition = $5 AND epoch = $6 AND next_offset = $7 RETURNING 1
    )`,
      `reached AS (
      INSERT INTO ${schema}.consumed SELECT t.tenant, $8, t.sequence FROM unnest($9::uuid[], $10::bigint[]) AS t(tenant, sequence)
      ON CONFLICT (tenant, owner) DO UPDATE SET sequence = excluded.sequence RETURNING 1
    )`,
      ...all.map(({ name, sql, rows }) => `${name} AS (${sql(rows)})`),
    ].join(',\n')}
    SELECT ${[
      expectation(
        [
          ['position', '(SELECT count(*) FROM moved)'],
          ['consumed', '(SELECT count(*) FROM reached)'],
          ...parts.map(({ name }) => [name, `(SELECT count(*) FROM ${name})`] as const),
        ],
        '$11',
      ),
      ...(hasDead
        ? [
            // Nobody else writes this topic: a consumer has one for each source, and a partition one reader.
            `(SELECT log.append(array_agg(${topic}::text ORDER BY d.number), array_agg($5::int ORDER BY d.number), array_agg(coalesce(e.next_offset, 0) + d.number - 1 ORDER BY d.number), array_agg(d.id ORDER BY d.number), json_agg(d.text ORDER BY d.number))
              FROM unnest(${ids}::uuid[], ${texts}::json[]) WITH ORDINALITY AS d(id, text, number)
              LEFT JOIN log.ends(ARRAY[${topic}::text]) AS e ON e.partition = $5)`,
            // As it was before this statement.
            `(SELECT e.next_offset FROM log.ends(ARRAY[${topic}::text]) AS e WHERE e.partition = $5) AS first_dead`,
          ]
        : []),
      "set_config('synchronous_commit', 'off', true)",
    ].join(',\n')}`;
  const made = { name: `${owner}-consumes-${hash('sha256', text, 'base64url').slice(0, 20)}`, text };
  statements.set(key, made);
  return made;
};
