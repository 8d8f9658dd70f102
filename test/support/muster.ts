import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { pino } from 'pino';
import { afterAll, beforeAll, expect } from 'vitest';
import type { DirectoryKind } from '#contracts';
import { apiKeyOf, createLogger, readConfig, uuidv7 } from '#runtime';
import { startServer, type Server } from '../../apps/muster/src/server.module.js';
import { verifyInstallation } from '../../apps/muster/src/verify.js';
import { sharedKafka } from './kafka.js';
import { newDatabase } from './postgres.js';

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  /** The body, read as JSON where it is; undefined = there is none. */
  // oxlint-disable-next-line typescript/no-explicit-any -- what is in it each test says by what it expects
  readonly body: any;
}

/** Sends a text as it is and anything else as JSON. `headers` come besides the others or instead of them. */
export type Client = (
  method: string,
  path: string,
  body?: unknown,
  headers?: Readonly<Record<string, string>>,
) => Promise<Answer>;

export interface Directory {
  readonly id: string;
  readonly tenant: string;
  readonly token: string;
  /** With this token, of paths as `/Users`. */
  readonly scim: Client;
}

interface Options {
  readonly log?: 'Postgres' | 'Kafka';
  /** Environment variables, as readConfig takes them. */
  readonly settings?: Readonly<Record<string, string>>;
  /** Gets the lines of its log, which nobody sees otherwise. */
  readonly lines?: string[];
}

/**
 * All services in this process, on a database of their own. It is called where a suite is described, starts before the
 * tests of the suite and stops after them. Clients are shown PUBLIC_URL.
 */
export const startMuster = (options: Options = {}): Muster => {
  const muster = new Muster(options);
  beforeAll(() => muster.setUp(), 180_000);
  afterAll(() => muster.tearDown(), 60_000);
  return muster;
};

class Muster {
  server!: Server;
  /** URL of its database, as the owner. */
  database!: string;
  /** A connection to it. */
  owner!: pg.Client;
  private firstToken: string | null = null;
  private dataDir!: string;
  private settings!: Readonly<Record<string, string>>;

  constructor(private readonly options: Options) {}

  async setUp(): Promise<void> {
    process.env.LOG_LEVEL = 'silent';
    const kafka = this.options.log === 'Kafka' ? await sharedKafka() : undefined;
    this.dataDir = mkdtempSync(join(tmpdir(), 'muster-test-'));
    this.settings = {
      DATA_DIR: this.dataDir,
      PUBLIC_URL: 'https://scim.example.org',
      ...this.options.settings,
      ...kafka,
    };
    this.database = await newDatabase();
    this.owner = new pg.Client({ connectionString: this.database });
    await this.owner.connect();
    await this.start();
  }

  /** Once more after stop(): what it has stored is still there. */
  async start(): Promise<void> {
    const { lines } = this.options;
    // Port 0 is left to the system.
    this.server = await startServer(
      Object.assign(readConfig(this.settings), { PORT: 0, ADMIN_PORT: 0 }),
      this.database,
      lines ? pino({}, { write: (line: string) => void lines.push(line) }) : createLogger('test'),
    );
    this.firstToken = this.server.directory.token ?? this.firstToken;
  }

  async stop(): Promise<void> {
    await this.server?.stop();
  }

  async tearDown(): Promise<void> {
    await this.owner?.end();
    await this.stop();
    if (this.dataDir) rmSync(this.dataDir, { recursive: true, force: true });
  }

  /** The settings that it was started with. */
  get environment(): Readonly<Record<string, string>> {
    return this.settings;
  }

  /** The token of its first directory, as the start that made it showed it. */
  get token(): string {
    if (this.firstToken === null) throw new Error('No start made a token for the first directory.');
    return this.firstToken;
  }

  /** The URL at which this machine reaches its SCIM endpoint. */
  get scimUrl(): string {
    return this.urlOf('scim/v2');
  }

  /** Posts a form to its token endpoint of a directory. */
  readonly askForToken = async (
    directory: string,
    form: Readonly<Record<string, string>> | string,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<Answer> => {
    const response = await fetch(`http://127.0.0.1:${this.server.signInPort}/oauth/v1/${directory}/token`, {
      method: 'POST',
      headers: { 'content-type': 'application/x-www-form-urlencoded', ...headers },
      body: typeof form === 'string' ? form : new URLSearchParams(form).toString(),
    });
    return { status: response.status, headers: response.headers, body: await response.json() };
  };

  /** With the token of its first directory, of paths as `/Users`. */
  readonly scim: Client = (...request) => this.send('scim/v2', this.token, ...request);

  /** With its API key, of paths as `/tenants`; those of the auditors' API begin with `/audit`. */
  readonly admin: Client = (...request) => this.send('admin/v1', this.server.apiKey, ...request);

  /** The same with another key. */
  readonly adminWith =
    (key: string): Client =>
    (...request) =>
      this.send('admin/v1', key, ...request);

  /** The key that makes others. */
  get bootstrapKey(): string {
    return apiKeyOf({ DATA_DIR: this.dataDir });
  }

  /** Without a tenant: in a new one. */
  readonly newDirectory = async (name: string, tenant?: string, kind: DirectoryKind = 'scim'): Promise<Directory> => {
    const of = tenant ?? ((await this.admin('POST', '/tenants', { name: `Tenant ${uuidv7()}` })).body.id as string);
    const { status, body } = await this.admin('POST', '/directories', { name, kind, tenant: of });
    expect(status, JSON.stringify(body)).toBe(201);
    const { id, token } = body as { id: string; token: string };
    return { id, tenant: of, token, scim: (...request) => this.send('scim/v2', token, ...request) };
  };

  /** From now on a DELETE by the directory (the first one) deletes its users; else they are kept as archived. */
  readonly deleteForGood = async (id?: string, deleteDeactivated: true | null = true): Promise<void> => {
    const directory = id ?? ((await this.admin('GET', '/directories/first')).body.id as string);
    expect((await this.admin('PATCH', `/directories/${directory}`, { deleteDeactivated })).status).toBe(200);
  };

  /** An administrator says that an e-mail domain is this tenant's: people are then found by their e-mails. */
  readonly verifyDomain = async (tenant: string, name: string): Promise<void> => {
    const { body } = await this.admin('POST', '/domains', { name, tenant });
    expect((await this.admin('POST', `/domains/${body.id}/confirm`)).status, JSON.stringify(body)).toBe(200);
  };

  /** The findings of `npm run verify`. */
  verify(): ReturnType<typeof verifyInstallation> {
    return verifyInstallation(this.database, readConfig(this.settings));
  }

  private urlOf(api: 'admin/v1' | 'audit/v1' | 'scim/v2'): string {
    return `http://127.0.0.1:${api === 'scim/v2' ? this.server.port : this.server.adminPort}/api/${api}`;
  }

  private async send(
    api: 'admin/v1' | 'scim/v2',
    token: string,
    ...[method, path, body, headers]: Parameters<Client>
  ): Promise<Answer> {
    const ofAuditors = api === 'admin/v1' && path.startsWith('/audit/');
    const contentType = api === 'admin/v1' ? 'application/json' : 'application/scim+json';
    const url = ofAuditors ? path.replace('/audit', this.urlOf('audit/v1')) : `${this.urlOf(api)}${path}`;
    const response = await fetch(url, {
      method,
      headers: {
        authorization: `Bearer ${token}`,
        ...(body === undefined ? {} : { 'content-type': contentType }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    });
    const text = await response.text();
    const isJson = /\bjson\b/.test(response.headers.get('content-type') ?? '');
    const answer = text === '' ? undefined : isJson ? JSON.parse(text) : text;
    return { status: response.status, headers: response.headers, body: answer };
  }
}
