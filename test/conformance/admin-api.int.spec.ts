import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { entriesOfAll } from '../support/audit-entries.js';
import { DnsServer } from '../support/dns-server.js';
import { startMuster } from '../support/muster.js';
import {
  documentWith,
  operationFor,
  operationsOf,
  type Known,
  type Operation,
  type Schema,
} from './fuzzed-document.js';
import { python, whatPythonMisses } from './python-tools.js';

/**
 * Others judge the admin API and the auditors' API: schemathesis sends to each of their routes what the OpenAPI document
 * allows, and what it does not allow. Whatever that is, no route answers with 500, or with what the document does not say.
 */

const DOCUMENTS = ['docs/openapi.json', 'docs/audit-openapi.json'].map(
  (path) => [path, JSON.parse(readFileSync(path, 'utf8')) as Schema] as const,
);
const BASE = '/api/admin/v1';
/** That it answers no 5xx, and only what the document says of status, media type and body. */
const CHECKS = 'not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance';
const EXAMPLES_PER_OPERATION = 5;
/** Not `stateful`: it would take ids from lists, and revoke the key with which it asks. */
const PHASES = 'examples,coverage,fuzzing';
const RUN_TIMEOUT_MS = 300_000;

/** Routes that cannot succeed here, each with the status that shows that it got as far as it can. */
const FURTHEST: Readonly<Record<string, number>> = {
  // A directory has to be disconnected for hours before.
  [`delete ${BASE}/directories/{id}`]: 409,
};

/** Of entries that there are, and sizes of the tree. */
const NUMBERS = { number: 0, from: 1, to: 2, size: 2 };

/** Routes that are fuzzed with an Idempotency-Key as well. */
const REPEATED = [`post ${BASE}/tenants`, `post ${BASE}/tokens/{id}/rotate`, `post ${BASE}/requests/{id}/replay`];

const missing = whatPythonMisses();
// With CI=true nothing is skipped.
const isSkipped = missing !== null && process.env.CI !== 'true';

describe.skipIf(isSkipped)(`the admin API${isSkipped ? ` (skipped: it needs ${missing})` : ''}`, () => {
  beforeAll(() => {
    if (missing !== null) throw new Error(`The suite needs ${missing}`);
  });
  const dns = new DnsServer();
  const settings: Record<string, string> = {};
  beforeAll(async () => void (settings.DNS_SERVERS = await dns.start()));
  afterAll(() => dns.stop());
  const muster = startMuster({ settings });
  const folder = mkdtempSync(join(tmpdir(), 'muster-fuzz-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  let count = 0;
  const name = (): string => `thing-${++count}`;
  const post = async (path: string, body: object = {}): Promise<Record<string, string>> => {
    const answer = await muster.admin('POST', path, body);
    expect(answer.status, `${path} ${JSON.stringify(answer.body)}`).toBe(201);
    return answer.body;
  };

  /** Makes two things of a noun, below those of the path before it. */
  const makersIn = (tenant: string) => {
    const userOf = async (): Promise<string> => {
      const directory = await muster.newDirectory(name(), tenant);
      await muster.admin('PATCH', `/directories/${directory.id}`, { localAttributes: ['title'] });
      const user = { schemas: ['urn:ietf:params:scim:schemas:core:2.0:User'], userName: `${name()}@fuzz.example` };
      return (await directory.scim('POST', '/Users', user)).body.id as string;
    };
    const makers: Readonly<Record<string, (ids: Record<string, string[]>) => Promise<string>>> = {
      keys: async () => (await post('/keys', { name: name(), scopes: ['read'] })).id!,
      tenants: async () => (await post('/tenants', { name: name() })).id!,
      directories: async () => (await post('/directories', { name: name(), tenant })).id!,
      tokens: async () => (await post(`/directories/${(await muster.newDirectory(name(), tenant)).id}/tokens`)).id!,
      clients: async ({ id }) => (await post(`/directories/${id![0]}/clients`, { name: name() })).id!,
      secrets: async ({ id, client }) => (await post(`/directories/${id![0]}/clients/${client![0]}/secrets`)).id!,
      domains: async () => {
        const { id, record } = (await post('/domains', { name: `${name()}.example`, tenant })) as {
          id: string;
          record: unknown;
        };
        const { name: recordName, value } = record as { name: string; value: string };
        dns.texts.set(recordName, [value]);
        return id;
      },
      schemas: async () => `urn:example:${name()}:User`,
      users: userOf,
      groups: async () => (await post('/groups', { displayName: name(), tenant, members: [await userOf()] })).id!,
      // Of the audit log.
      entries: () => Promise.resolve(tenant),
      people: async () => (await muster.admin('GET', `/users/${await userOf()}`)).body.userName as string,
      subjects: userOf,
      logs: () => Promise.resolve(tenant),
      tile: () => Promise.resolve('0/000.p/1'),
      // One that is refused each time that it is sent again.
      requests: async () => {
        const { id, scim } = await muster.newDirectory(name(), tenant);
        await scim('DELETE', `/Users/${tenant}`);
        return vi.waitFor(
          async () => {
            const { items } = (await muster.admin('GET', `/audit/requests?directory=${id}&status=404`)).body;
            expect(items).toHaveLength(1);
            return items[0].id as string;
          },
          { timeout: 30_000, interval: 100 },
        );
      },
    };
    return makers;
  };

  const bodies = (tenant: string, directory: string): Readonly<Record<string, object>> => ({
    [`put ${BASE}/schemas/{urn}`]: {
      tenant,
      name: 'Badge',
      attributes: [{ name: 'badge', type: 'string', multiValued: false }],
    },
    [`patch ${BASE}/users/{id}/attributes`]: { attributes: { title: 'Engineer' } },
    [`post ${BASE}/directories/{id}/dry-run`]: {
      method: 'POST',
      path: '/Users',
      body: { userName: 'try@fuzz.example' },
    },
    [`post ${BASE}/users/{id}/transfer`]: { directory },
    [`post ${BASE}/domains`]: { tenant, name: 'fuzzed.example' },
  });

  it.each(DOCUMENTS)(
    'answers whatever schemathesis makes of %s as that says, and nothing with 500',
    async (_path, api) => {
      const { id: directory, tenant } = await muster.newDirectory('Fuzzed');
      const makers = makersIn(tenant);
      const knownTo = new Map<string, Known>();
      const nameOf = ({ method, path }: Operation): string => `${method} ${path}`;
      for (const operation of operationsOf(api)) {
        const ids: Record<string, string[]> = {};
        for (const [, noun, parameter] of operation.path.matchAll(/\/([\w-]+)\/\{(\w+)\}/g))
          ids[parameter!] = [await makers[noun!]!(ids), await makers[noun!]!(ids)];
        if (operation.path.endsWith('/{number}')) ids.number = ['0', '1'];
        const body = bodies(tenant, directory)[nameOf(operation)];
        knownTo.set(nameOf(operation), { ids, body, isRepeated: REPEATED.includes(nameOf(operation)) });
      }
      const user = await makers.users!({});
      const references = {
        tenant: [tenant],
        directory: [directory],
        members: [user],
        add: [user],
        remove: [user],
        subject: [user],
        object: [user],
      };
      await entriesOfAll(muster.owner);
      const document = documentWith(api, (operation) => knownTo.get(nameOf(operation))!, references, NUMBERS);
      writeFileSync(join(folder, 'openapi.json'), JSON.stringify(document));
      // The key goes by the environment, so that no list of processes shows it.
      writeFileSync(join(folder, 'schemathesis.toml'), 'headers = { Authorization = "Bearer ${MUSTER_API_KEY}" }');
      const args =
        `-m schemathesis.cli run openapi.json --url http://127.0.0.1:${muster.server.adminPort} --checks ${CHECKS} ` +
        `--phases ${PHASES} --max-examples ${EXAMPLES_PER_OPERATION} --seed 1 --generation-database none ` +
        '--report har --report-har-path report.har';
      const { exitCode, output } = await python(
        args.split(' '),
        { MUSTER_API_KEY: muster.server.apiKey, NO_COLOR: '1' },
        folder,
      );
      const statuses = statusesIn(api, join(folder, 'report.har'));
      expect(exitCode, output).toBe(0);
      for (const operation of operationsOf(api)) {
        const got = [...(statuses.get(nameOf(operation)) ?? [])];
        const furthest = FURTHEST[nameOf(operation)];
        const isFar = got.some((status) => (furthest === undefined ? status < 300 : status === furthest));
        expect.soft(isFar, `${nameOf(operation)} was answered ${got.join(', ') || 'nothing'}`).toBe(true);
      }
    },
    RUN_TIMEOUT_MS,
  );

  /** The statuses with which each operation was answered. */
  const statusesIn = (document: Schema, report: string): ReadonlyMap<string, ReadonlySet<number>> => {
    interface Entry {
      readonly request: { readonly method: string; readonly url: string };
      readonly response: { readonly status: number };
    }
    const { log } = JSON.parse(readFileSync(report, 'utf8')) as { log: { entries: readonly Entry[] } };
    const statuses = new Map<string, Set<number>>();
    for (const { request, response } of log.entries) {
      const operation = operationFor(document, request.method, request.url);
      if (!operation) continue;
      const of = `${operation.method} ${operation.path}`;
      statuses.set(of, (statuses.get(of) ?? new Set()).add(response.status));
    }
    return statuses;
  };
});
