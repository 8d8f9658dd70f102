import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { environmentWith, readConfig, SETTINGS } from './config.js';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'muster-config-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const file = (name: string, text: string): string => {
  writeFileSync(join(folder, name), text);
  return join(folder, name);
};

it('has a default for every setting and reads numbers', () => {
  expect(readConfig({}).scimBaseUrl).toBe('http://localhost:8080/api/scim/v2');
  expect(readConfig({ PORT: '9000' }).PORT).toBe(9000);
  expect(readConfig({ PUBLIC_URL: 'https://scim.example.org/' }).scimBaseUrl).toBe(
    'https://scim.example.org/api/scim/v2',
  );
});

it('takes a master key of 32 bytes only: any other would fail at the first user', () => {
  expect(readConfig({ MASTER_KEY: randomBytes(32).toString('base64') }).MASTER_KEY).toHaveLength(44);
  for (const wrong of ['secret', randomBytes(32).toString('hex'), randomBytes(24).toString('base64')]) {
    expect(() => readConfig({ MASTER_KEY: wrong })).toThrow(/^MASTER_KEY must be 32 bytes/);
  }
});

it('refuses a wrong setting in one line that names it', () => {
  expect(() => readConfig({ PORT: 'x', PUBLIC_URL: 'ftp://a' })).toThrow(/PORT.*PUBLIC_URL/);
});

it('refuses fewer connections than a new tenant takes', () => {
  expect(readConfig({ DATABASE_POOL_CONNECTIONS: '2' }).DATABASE_POOL_CONNECTIONS).toBe(2);
  for (const few of ['1', '0'])
    expect(() => readConfig({ DATABASE_POOL_CONNECTIONS: few })).toThrow(
      /^DATABASE_POOL_CONNECTIONS must not be less than 2$/,
    );
});

it('refuses a key of another length before it wraps anything, and does not repeat it', () => {
  const key = Buffer.alloc(32, 1).toString('base64');
  expect(readConfig({ MASTER_KEY: key }).MASTER_KEY).toBe(key);
  expect(() => readConfig({ MASTER_KEY: 'c2hvcnQ=' })).toThrow(/^MASTER_KEY must be 32 bytes in base64$/);
});

it('reads an empty setting as none', () => {
  expect(readConfig({ PORT: '', DATABASE_URL: '' })).toMatchObject({ PORT: 8080, DATABASE_URL: undefined });
});

/** One that each secret takes. */
const SECRETS: Readonly<Record<string, string>> = {
  DATABASE_URL: 'postgres://muster:s%40crt@db.example.org/muster?sslmode=verify-full',
  DATABASE_ROLE_PASSWORDS: 'gateway=a-password-of-16,admin_api=another=of=16-and-more',
  KAFKA_SASL_PASSWORD: 's3cret',
  MASTER_KEY: Buffer.alloc(32, 1).toString('base64'),
  MUSTER_API_KEY: 'a-key-of-thirty-two-characters-or-more',
  MUSTER_CLI_KEY: 'another-key-of-thirty-two-characters-or-more',
};

it('knows which settings are secrets', () => {
  expect(SETTINGS.filter(({ secret }) => secret).map(({ name }) => name)).toEqual(Object.keys(SECRETS));
});

it.each(Object.entries(SECRETS))('reads %s from a file, too, without the line end', (name, value) => {
  for (const end of ['', '\n', '\r\n'])
    expect(readConfig({ [`${name}_FILE`]: file(name, value + end) })).toMatchObject({ [name]: value });
  expect(readConfig({ [name]: value, [`${name}_FILE`]: '' })).toMatchObject({ [name]: value });
});

it.each(Object.entries(SECRETS))(
  'says in one line what is wrong with the file of %s, and never what is in it',
  (name, value) => {
    const line = (environment: Record<string, string>): string => {
      try {
        readConfig(environment);
      } catch (error) {
        return `${(error as Error).name}: ${(error as Error).message}`;
      }
      return 'nothing';
    };
    expect(line({ [name]: value, [`${name}_FILE`]: file('both', value) })).toBe(
      `UsageError: ${name} and ${name}_FILE are both set: leave one of them out.`,
    );
    expect(line({ [`${name}_FILE`]: join(folder, 'none') })).toMatch(
      new RegExp(`^UsageError: ${name}_FILE names a file that cannot be read: ENOENT.*none'\\.$`),
    );
    expect(line({ [`${name}_FILE`]: folder })).toMatch(
      new RegExp(`^UsageError: ${name}_FILE names a file that cannot be read: EISDIR[^\\n]*$`),
    );
    for (const text of ['', '\n']) {
      expect(line({ [`${name}_FILE`]: file('empty', text) })).toBe(
        `UsageError: ${name}_FILE names a file that is empty: ${join(folder, 'empty')}.`,
      );
    }
  },
);

it('names the file of a secret that is wrong', () => {
  expect(() => readConfig({ MASTER_KEY_FILE: file('short', 'c2hvcnQ=') })).toThrow(
    /^MASTER_KEY must be 32 bytes in base64 \(it is read from the file of MASTER_KEY_FILE\)$/,
  );
});

it('hands a child each setting once', () => {
  process.env.DATABASE_URL_FILE = join(folder, 'none');
  try {
    const environment = environmentWith({ DATABASE_URL: SECRETS.DATABASE_URL! });
    expect(readConfig(environment).DATABASE_URL).toBe(SECRETS.DATABASE_URL);
    expect(environment.PATH).toBe(process.env.PATH);
  } finally {
    delete process.env.DATABASE_URL_FILE;
  }
});

it.each([
  [
    'HOST',
    ['0.0.0.0', '::', '::1', 'localhost', 'muster.example.org'],
    ['localhost:8080', 'http://localhost', '1.2.3.4:80', '[::1]', 'a b', '::1::', '999', '1.2.3'],
  ],
  [
    'KAFKA_BROKERS',
    ['127.0.0.1:9092', 'localhost:1,127.0.0.2:2', '[::1]:9092'],
    ['kafka', 'kafka:', 'kafka:x', 'kafka:99999', 'a:1,', 'PLAINTEXT://a:9092', 'a:1 b:2', 'a:1, b:2'],
  ],
  [
    'DATABASE_URL',
    ['postgres://a:b@localhost/d', 'postgresql://a@c:5432/d?sslmode=verify-full', 'postgres://a:b@%2Fvar%2Frun/d'],
    [
      'x',
      'c:5432',
      'mysql://a:b@c/d',
      'postgres://c/d',
      'postgres://a:b@c',
      'postgres://a:b@c/',
      'postgres://a:50%@c/d',
      'postgres://a:p/w@c/d',
    ],
  ],
  ['DATABASE_ROLE_PREFIX', ['muster', 'a', 'team_2'], ['Muster', '2', 'a-b', 'a b', 'a"b', 'x'.repeat(41)]],
  [
    'DATABASE_ROLE_PASSWORDS',
    [`gateway=${'p'.repeat(16)}`, `log=${'='.repeat(16)},admin_api=%/@${'p'.repeat(16)}`],
    [
      'p'.repeat(16),
      `gateway=${'p'.repeat(15)}`,
      `=${'p'.repeat(16)}`,
      `No body=${'p'.repeat(16)}`,
      `gateway=${'p'.repeat(16)},`,
      `gateway=${'p'.repeat(16)}, directory=${'p'.repeat(16)}`,
      `gateway=${'ü'.repeat(16)}`,
    ],
  ],
  ['PUBLIC_URL', ['https://a.example', 'http://localhost:8080'], ['a.example', 'ftp://a.example', 'https://']],
  ['PORT', ['0', '65535'], ['-1', '65536', '80.5', 'http', '0x']],
  ['LOG_LEVEL', ['info', 'silent'], ['INFO', 'verbose']],
])('%s is checked before anything starts', (name, right, wrong) => {
  for (const value of right) expect(readConfig({ [name]: value })).toBeTruthy();
  for (const value of wrong)
    expect(() => readConfig({ [name]: value }), value).toThrow(new RegExp(`^${name} [^\\n]*$`));
});

it('takes no key of the admin API that can be guessed, and does not repeat it', () => {
  expect(readConfig({ MUSTER_API_KEY: 'k'.repeat(32) }).MUSTER_API_KEY).toHaveLength(32);
  for (const wrong of ['k'.repeat(31), ' '.repeat(32), 'schlüssel'.repeat(4)]) {
    expect(() => readConfig({ MUSTER_API_KEY: wrong })).toThrow(
      /^MUSTER_API_KEY must have 32 characters or more, printable ASCII without spaces[^\n]*hex 32 makes$/,
    );
  }
});

it('reads the passwords of roles apart', () => {
  expect(readConfig({ DATABASE_ROLE_PASSWORDS: SECRETS.DATABASE_ROLE_PASSWORDS! }).databaseRoles).toEqual({
    prefix: 'muster',
    passwords: { gateway: 'a-password-of-16', admin_api: 'another=of=16-and-more' },
  });
  expect(readConfig({}).databaseRoles).toEqual({ prefix: 'muster', passwords: {} });
});
