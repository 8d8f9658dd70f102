import { query } from './postgres.js';

/**
 * The shape of a database as SQL that makes it again: schemas, functions, tables with their columns, constraints,
 * indexes and triggers, views, and who may do what. The same shape gives the same text. Throws when the database holds
 * a kind of object that would be missing in it.
 */
export const dumpSchema = async (ownerUrl: string): Promise<string> => {
  const rows = async (sql: string): Promise<string[]> =>
    (await query<{ text: string }>(ownerUrl, sql)).map(({ text }) => text);
  const unknown = await rows(UNKNOWN);
  if (unknown.length > 0) throw new Error(`The dump of a database does not know ${unknown.join(', ')}: teach it.`);
  return (
    [
      'SET check_function_bodies = off;',
      ...(await rows(DEFAULT_PRIVILEGES)),
      ...(await rows(SCHEMAS)),
      ...(await rows(FUNCTIONS)),
      ...(await rows(TABLES)),
      ...(await rows(VIEWS)),
    ].join('\n\n') + '\n'
  );
};

/** SQL: a condition on a schema of ours; `public` is one. */
const isOurs = (schema: string): string => `${schema}::regnamespace::text !~ '^(pg_|information_schema$)'`;

/** SQL: what others than the owner may do with an object, as a GRANT for each set of privileges, behind a line end. */
const grants = (object: string, acl: string, owner: string): string => `coalesce((
  SELECT string_agg(format(E'\\nGRANT %s ON %s TO %s;', g.privileges, ${object}, g.roles), '' ORDER BY g.privileges)
  FROM (
    SELECT privileges, string_agg(role, ', ' ORDER BY role) AS roles FROM (
      SELECT coalesce(r.rolname, 'PUBLIC') AS role, string_agg(a.privilege_type, ', ' ORDER BY a.privilege_type) AS privileges
      FROM aclexplode(${acl}) a LEFT JOIN pg_roles r ON r.oid = a.grantee WHERE a.grantee <> ${owner} GROUP BY 1
    ) AS by_role GROUP BY privileges
  ) AS g), '')`;

/** Tables for one day each are made as time goes by. */
const IS_OF_A_DAY = "c.relname ~ '_[0-9]{8}$'";

const UNKNOWN = `
  SELECT format('%s (kind %s)', c.oid::regclass, c.relkind) AS text FROM pg_class c
  WHERE ${isOurs('c.relnamespace')} AND c.relkind NOT IN ('r', 'p', 'v', 'i', 'I', 't')
  UNION ALL SELECT format('type %s', t.oid::regtype) FROM pg_type t WHERE ${isOurs('t.typnamespace')} AND t.typtype IN ('e', 'd', 'r', 'm')
  UNION ALL SELECT format('rule %s', rulename) FROM pg_rewrite WHERE rulename <> '_RETURN' AND ev_class >= 16384
  UNION ALL SELECT format('policy %s', polname) FROM pg_policy
  UNION ALL SELECT format('extension %s', extname) FROM pg_extension WHERE extname <> 'plpgsql'
  UNION ALL SELECT format('function %s (kind %s)', oid::regprocedure, prokind) FROM pg_proc WHERE ${isOurs('pronamespace')} AND prokind NOT IN ('f', 'p')
  UNION ALL SELECT format('statistics %s', stxname) FROM pg_statistic_ext
  UNION ALL SELECT format('grant on column %s.%s', attrelid::regclass, attname) FROM pg_attribute WHERE attacl IS NOT NULL AND attrelid >= 16384
  ORDER BY 1`;

const DEFAULT_PRIVILEGES = `
  SELECT format('ALTER DEFAULT PRIVILEGES REVOKE ALL ON %s FROM PUBLIC;',
    CASE defaclobjtype WHEN 'f' THEN 'FUNCTIONS' WHEN 'r' THEN 'TABLES' WHEN 'S' THEN 'SEQUENCES' WHEN 'T' THEN 'TYPES' ELSE 'SCHEMAS' END) AS text
  FROM pg_default_acl WHERE NOT EXISTS (SELECT FROM aclexplode(defaclacl) WHERE grantee = 0) ORDER BY 1`;

const SCHEMAS = `
  SELECT CASE nspname WHEN 'public' THEN 'REVOKE ALL ON SCHEMA public FROM PUBLIC;' ELSE format('CREATE SCHEMA %I;', nspname) END
    || ${grants("format('SCHEMA %I', nspname)", 'nspacl', 'nspowner')} AS text
  FROM pg_namespace WHERE ${isOurs('oid')} ORDER BY nspname COLLATE "C"`;

const FUNCTIONS = `
  SELECT trim(E'\\n' FROM pg_get_functiondef(oid)) || ';'
    || ${grants("format('FUNCTION %s', oid::regprocedure)", "coalesce(proacl, acldefault('f', proowner))", 'proowner')} AS text
  FROM pg_proc WHERE ${isOurs('pronamespace')} ORDER BY oid::regprocedure::text COLLATE "C"`;

const COLUMN = `format(E'\\n  %I %s', a.attname, format_type(a.atttypid, a.atttypmod))
    || CASE WHEN a.attcollation NOT IN (0, t.typcollation) THEN format(' COLLATE %s', a.attcollation::regcollation) ELSE '' END
    || CASE WHEN a.attgenerated <> '' THEN format(' GENERATED ALWAYS AS (%s) STORED', pg_get_expr(d.adbin, d.adrelid))
         ELSE coalesce(' DEFAULT ' || pg_get_expr(d.adbin, d.adrelid), '') END
    || CASE WHEN a.attnotnull THEN ' NOT NULL' ELSE '' END`;
const COLUMNS = `
  SELECT string_agg(${COLUMN}, ',' ORDER BY a.attnum) FROM pg_attribute a
  JOIN pg_type t ON t.oid = a.atttypid LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
  WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped`;
const CHECKS = `
  SELECT string_agg(format(E',\\n  CONSTRAINT %I %s', conname, pg_get_constraintdef(oid)), '' ORDER BY conname) FROM pg_constraint
  WHERE conrelid = c.oid AND contype NOT IN ('p', 'u', 'n', 't')`;
/** In the order in which they were made: of two indexes that look alike to it the planner takes the newer one. */
const INDEXES = `
  SELECT string_agg(E'\\n' || coalesce(
      format('ALTER TABLE %s ADD CONSTRAINT ', i.indrelid::regclass) || quote_ident(k.conname) || ' ' || pg_get_constraintdef(k.oid),
      pg_get_indexdef(i.indexrelid)) || ';', '' ORDER BY i.indexrelid) FROM pg_index i
  LEFT JOIN pg_constraint k ON k.conindid = i.indexrelid AND k.conrelid = i.indrelid WHERE i.indrelid = c.oid AND NOT c.relispartition`;
const TRIGGERS = `
  SELECT string_agg(E'\\n' || pg_get_triggerdef(oid) || ';', '' ORDER BY tgname) FROM pg_trigger WHERE tgrelid = c.oid AND NOT tgisinternal`;

const TABLES = `
  SELECT format('CREATE TABLE %s', c.oid::regclass)
    || CASE WHEN c.relispartition THEN (
         SELECT format(' PARTITION OF %s %s', inhparent::regclass, pg_get_expr(c.relpartbound, c.oid)) FROM pg_inherits WHERE inhrelid = c.oid)
       ELSE format(' (%s%s', (${COLUMNS}), (${CHECKS})) || E'\\n)' END
    || coalesce(' PARTITION BY ' || pg_get_partkeydef(c.oid), '')
    || coalesce(' WITH (' || array_to_string(c.reloptions, ', ') || ')', '') || ';'
    || coalesce((${INDEXES}), '') || coalesce((${TRIGGERS}), '')
    || ${grants("format('TABLE %s', c.oid::regclass)", 'c.relacl', 'c.relowner')} AS text
  FROM pg_class c WHERE ${isOurs('c.relnamespace')} AND c.relkind IN ('r', 'p') AND NOT (c.relispartition AND ${IS_OF_A_DAY})
  ORDER BY c.oid::regclass::text COLLATE "C"`;

const VIEWS = `
  SELECT format('CREATE VIEW %s%s AS', c.oid::regclass, ' WITH (' || array_to_string(c.reloptions, ', ') || ')')
    || E'\\n' || pg_get_viewdef(c.oid) || ${grants("format('TABLE %s', c.oid::regclass)", 'c.relacl', 'c.relowner')} AS text
  FROM pg_class c WHERE ${isOurs('c.relnamespace')} AND c.relkind = 'v' ORDER BY c.oid::regclass::text COLLATE "C"`;
