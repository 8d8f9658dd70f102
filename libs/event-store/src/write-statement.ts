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
 * Before the rows of the parts are the parameters of the position, of the messages column by column, the generation of
 * the owner's rows, and the numbers of rows: of the position, of the messages, of each part.
 */
const FIRST_PART_PARAMETER = 15;

/**
 * One statement for everything. Its parts are CTEs, which do not see each other's effects and run in no promised order:
 * each row is written by one of them only, and log.expect undoes the whole unless each wrote what it should have.
 */
export const writeStatement = (owner: Owner, parts: readonly WritePart[]): string => {
  const written = parts.map(
    ({ name, type = 'json', sql }, index) => `${name} AS (${sql(`$${FIRST_PART_PARAMETER + index}::${type}`)})`,
  );
  return `
    WITH ${[
      `moved AS (
      UPDATE ${schemaOf(owner)}.positions SET epoch = $1, next_offset = $2
      WHERE consumer_group = $3 AND topic = $4 AND partition = $5 AND epoch = $6 AND next_offset = $7 AND generation = $13 RETURNING 1
    )`,
      ...written,
    ].join(',\n')}
    SELECT ${expectation(
      [
        ['position', '(SELECT count(*) FROM moved)'],
        ['messages', 'log.append($8, $9, $10, $11, $12)'],
        ...parts.map(({ name }) => [name, `(SELECT count(*) FROM ${name})`] as const),
      ],
      '$14',
    )}`;
};

/** SQL that raises unless each part wrote as many rows as the parameter says, which is an array. */
export const expectation = (parts: readonly (readonly [name: string, count: string])[], expected: string): string =>
  `log.expect(ARRAY[${parts.map(([name]) => `'${name}'`).join()}], ARRAY[${parts.map(([, count]) => count).join()}], ${expected}::bigint[])`;
