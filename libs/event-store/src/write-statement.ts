import { schemaOf, type Owner } from '#contracts';
import type { WritePart } from './behaviour.js';

/** The parts that every owner has. */
export const storeParts = (owner: Owner): readonly WritePart[] => [
  {
    name: 'stored_outcomes',
    sql: (rows) => `INSERT INTO ${schemaOf(owner)}.outcomes SELECT r.* FROM json_to_recordset(${rows})
      AS r(command_id uuid, tenant uuid, outcome json, recorded_at timestamptz) RETURNING 1`,
  },
  {
    name: 'stored_events',
    sql: (rows) => `INSERT INTO ${schemaOf(owner)}.events SELECT r.* FROM json_to_recordset(${rows})
      AS r(tenant uuid, sequence bigint, stream uuid, version int, type text, recorded_at timestamptz, command_id uuid,
        correlation_id text, actor text, directory uuid, data json, personal text) RETURNING 1`,
  },
];

/**
 * Before the parameters of the parts, which are the rows and their number, are those of the position, of the messages
 * column by column, and the generation of the owner's rows.
 */
const FIRST_PART_PARAMETER = 14;

/**
 * One statement for everything. Its parts are CTEs, which do not see each other's effects and run in no promised order:
 * each row is written by one of them only, and log.expect undoes the whole unless each wrote what it should have.
 */
export const writeStatement = (owner: Owner, parts: readonly WritePart[]): string => {
  const all = parts.map((part, index) => {
    const rows = FIRST_PART_PARAMETER + 2 * index;
    return { ...part, rows: `$${rows}::json`, count: `$${rows + 1}::int` };
  });
  const written = all.map(({ name, sql, rows }) => `${name} AS (${sql(rows)})`);
  const expected = all.map(({ name, count }) => `log.expect('${name}', (SELECT count(*) FROM ${name}), ${count})`);
  return `
    WITH ${[
      `moved AS (
      UPDATE ${schemaOf(owner)}.positions SET epoch = $1, next_offset = $2
      WHERE consumer_group = $3 AND topic = $4 AND partition = $5 AND epoch = $6 AND next_offset = $7 AND generation = $13 RETURNING 1
    )`,
      ...written,
    ].join(',\n')}
    SELECT ${[
      "log.expect('position', (SELECT count(*) FROM moved), 1)",
      "log.expect('messages', log.append($8, $9, $10, $11, $12), cardinality($8::text[]))",
      ...expected,
    ].join(' AND\n')} AS held`;
};
