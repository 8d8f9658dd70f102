/**
 * The floor: what a bare, straightforward CRUD server over the same database reaches on this machine. Fastify and pg,
 * no SCIM logic, one committed row for each write, named prepared statements, a unique index, a pool of 16.
 * DATABASE_URL from the environment; tells its port to the parent.
 */
import { randomUUID } from 'node:crypto';
import type { AddressInfo } from 'node:net';
import fastify from 'fastify';
import pg from 'pg';
import { USERS_PATH } from './cycle.js';

const pool = new pg.Pool({ connectionString: process.env.DATABASE_URL, max: 16 });
await pool.query(`CREATE TABLE IF NOT EXISTS users (
  id uuid PRIMARY KEY,
  user_name text NOT NULL,
  resource jsonb NOT NULL,
  created timestamptz NOT NULL DEFAULT now(),
  last_modified timestamptz NOT NULL DEFAULT now()
)`);
await pool.query('CREATE UNIQUE INDEX IF NOT EXISTS users_user_name ON users (lower(user_name))');

interface Row {
  id: string;
  resource: Record<string, unknown>;
  created: Date;
  last_modified: Date;
}
interface Patch {
  Operations: { path?: string; value: unknown }[];
}

const COLUMNS = 'id, resource, created, last_modified';
const filterByUserName = { name: 'filter', text: `SELECT ${COLUMNS} FROM users WHERE lower(user_name) = lower($1)` };
const insert = {
  name: 'insert',
  text: `INSERT INTO users (id, user_name, resource) VALUES ($1, $2, $3) RETURNING ${COLUMNS}`,
};
const update = {
  name: 'update',
  text: `UPDATE users SET resource = resource || $2, last_modified = now() WHERE id = $1 RETURNING ${COLUMNS}`,
};
const selectById = { name: 'get', text: `SELECT ${COLUMNS} FROM users WHERE id = $1` };

const render = (row: Row) => ({
  ...row.resource,
  id: row.id,
  meta: { resourceType: 'User', created: row.created, lastModified: row.last_modified },
});

const app = fastify();
app.addContentTypeParser('application/scim+json', { parseAs: 'string' }, app.getDefaultJsonParser('error', 'error'));

app.get<{ Querystring: { filter: string } }>(USERS_PATH, async (request) => {
  const userName = /^userName eq "(.*)"$/.exec(request.query.filter)?.[1];
  const { rows } = await pool.query<Row>({ ...filterByUserName, values: [userName] });
  return { totalResults: rows.length, startIndex: 1, itemsPerPage: rows.length, Resources: rows.map(render) };
});

app.post<{ Body: { userName: string } }>(USERS_PATH, async (request, reply) => {
  const { rows } = await pool.query<Row>({ ...insert, values: [randomUUID(), request.body.userName, request.body] });
  return reply.code(201).send(render(rows[0]!));
});

app.patch<{ Params: { id: string }; Body: Patch }>(`${USERS_PATH}/:id`, async (request, reply) => {
  const changes = Object.assign(
    {},
    ...request.body.Operations.map(({ path, value }) => (path ? { [path]: value } : value)),
  );
  const { rows } = await pool.query<Row>({ ...update, values: [request.params.id, changes] });
  return rows[0] ? render(rows[0]) : reply.code(404).send();
});

app.get<{ Params: { id: string } }>(`${USERS_PATH}/:id`, async (request, reply) => {
  const { rows } = await pool.query<Row>({ ...selectById, values: [request.params.id] });
  return rows[0] ? render(rows[0]) : reply.code(404).send();
});

await app.listen({ port: 0, host: '127.0.0.1' });
process.send?.({ port: (app.server.address() as AddressInfo).port });
process.on('disconnect', () => process.exit());
