import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readConfig } from './config.js';

let folder: string;
let authority: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'muster-connections-'));
  authority = join(folder, 'ca.pem');
  writeFileSync(authority, '-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n');
  writeFileSync(join(folder, 'key.pem'), 'no certificate');
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** The line that the start ends with; null = it goes on. */
const line = (settings: Record<string, string>): string | null => {
  try {
    readConfig(settings);
    return null;
  } catch (error) {
    expect((error as Error).name).toBe('UsageError');
    expect((error as Error).message).not.toMatch(/\n|s3cret/);
    return (error as Error).message;
  }
};
const USER = { KAFKA_SASL_USERNAME: 'muster-gateway', KAFKA_SASL_PASSWORD: 's3cret' };

describe('Kafka', () => {
  it.each(['127.0.0.1:9092', '127.1.2.3:9092', 'localhost:9092', '[::1]:9092', '[0:0:0:0:0:0:0:1]:9092'])(
    'on this machine (%s) is asked for nothing',
    (brokers) => {
      expect(line({ KAFKA_BROKERS: brokers })).toBeNull();
      expect(line({ KAFKA_BROKERS: brokers, ...USER })).toBeNull();
    },
  );

  it.each([
    'kafka:9092',
    '10.0.0.1:9092',
    'localhost.example.org:9092',
    '127.0.0.1.example.org:9092',
    '[::2]:9092',
    '[2001:db8::1]:9092',
    '[fe80::1]:9092',
    '0.0.0.0:9092',
    '127.0.0.1:9092,kafka:9092',
  ])('elsewhere (%s) needs TLS or a word that it does not, and a user in both cases', (brokers) => {
    const away = brokers.split(',').at(-1)!;
    for (const settings of [{}, USER])
      expect(line({ KAFKA_BROKERS: brokers, ...settings })).toContain(
        `KAFKA_BROKERS names ${away}, which is not this machine: set KAFKA_SSL=on`,
      );
    for (const KAFKA_SSL of ['on', 'off']) {
      expect(line({ KAFKA_BROKERS: brokers, KAFKA_SSL })).toContain('set KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD');
      expect(line({ KAFKA_BROKERS: brokers, KAFKA_SSL, ...USER })).toBeNull();
    }
  });

  it('on this machine leads to none elsewhere, whichever it names, unless TLS or its absence and a user are said', () => {
    const here = { KAFKA_BROKERS: '127.0.0.1:9092' };
    for (const settings of [here, { ...here, ...USER }, { ...here, KAFKA_SSL: 'off' }]) {
      const { mayReach } = readConfig(settings).kafka!;
      expect([mayReach('localhost'), mayReach('127.0.0.1'), mayReach('kafka.internal')]).toEqual([true, true, false]);
    }
    expect(readConfig({ ...here, ...USER, KAFKA_SSL: 'on' }).kafka!.mayReach('kafka.internal')).toBe(true);
  });

  it('takes what fits together, and says in one line what does not', () => {
    const kafka = { KAFKA_BROKERS: 'kafka:9092', KAFKA_SSL: 'on', ...USER };
    expect(
      readConfig({ ...kafka, KAFKA_SSL_CA_FILE: authority, KAFKA_SASL_MECHANISM: 'scram-sha-256' }).kafka,
    ).toMatchObject({
      brokers: ['kafka:9092'],
      tls: { ca: expect.stringContaining('BEGIN CERTIFICATE') },
      sasl: { mechanism: 'scram-sha-256', username: 'muster-gateway', password: 's3cret' },
    });
    expect(readConfig(kafka).kafka).toMatchObject({ tls: {}, sasl: { mechanism: 'scram-sha-512' } });
    expect(readConfig({}).kafka).toBeNull();
    expect(line({ ...kafka, KAFKA_SASL_PASSWORD: '' })).toContain('belong together');
    expect(line({ ...kafka, KAFKA_SASL_USERNAME: '' })).toContain('belong together');
    expect(line({ ...kafka, KAFKA_SSL: 'off', KAFKA_SSL_CA_FILE: authority })).toContain('KAFKA_SSL_CA_FILE');
    expect(line({ ...kafka, KAFKA_SSL_CA_FILE: join(folder, 'none') })).toMatch(
      /^KAFKA_SSL_CA_FILE names a file that cannot be read: ENOENT/,
    );
    expect(line({ ...kafka, KAFKA_SSL_CA_FILE: join(folder, 'key.pem') })).toContain('without a certificate');
    expect(line({ ...kafka, KAFKA_SSL: 'yes' })).toMatch(/^KAFKA_SSL must be/);
    expect(line({ ...kafka, KAFKA_SASL_MECHANISM: 'plain' })).toMatch(/^KAFKA_SASL_MECHANISM must be/);
  });
});

describe('Postgres', () => {
  const url = (host: string, query = ''): Record<string, string> => ({
    DATABASE_URL: `postgres://muster:s3cret@${host}/muster${query}`,
  });

  it.each(['127.0.0.1:5432', 'localhost', '[::1]:5432', '%2Fvar%2Frun%2Fpostgresql'])(
    'on this machine (%s) is asked for nothing',
    (host) => {
      expect(line(url(host))).toBeNull();
    },
  );

  it.each(['db:5432', '10.0.0.1', 'localhost.example.org', '[2001:db8::1]:5432'])(
    'elsewhere (%s) needs TLS, or a word that it does not',
    (host) => {
      expect(line(url(host))).toContain('which is not this machine: add ?sslmode=verify-full');
      for (const mode of ['verify-full', 'disable']) expect(line(url(host, `?sslmode=${mode}`))).toBeNull();
    },
  );

  it('is looked for where the driver looks', () => {
    expect(line(url('localhost', '?host=db.example.org'))).toContain('db.example.org');
    expect(line(url('localhost', '?host=127.0.0.1&host=db.example.org'))).toContain('db.example.org');
  });

  it.each(['require', 'prefer', 'allow', 'verify-ca', 'no-verify', ''])(
    'with sslmode=%s would be verified or not, as the program pleases',
    (mode) => {
      for (const host of ['db', 'localhost'])
        expect(line(url(host, `?sslmode=${mode}`))).toContain('say sslmode=verify-full');
    },
  );

  it.each(['ssl=true', 'ssl=0', 'uselibpqcompat=true', 'sslnegotiation=direct'])(
    'with %s could mean something else',
    (query) => {
      expect(line(url('db', `?sslmode=verify-full&${query}`))).toContain(query.split('=')[0]);
    },
  );

  it('names an authority that is there', () => {
    expect(line(url('db', `?sslmode=verify-full&sslrootcert=${authority}`))).toBeNull();
    expect(line(url('db', `?sslmode=disable&sslrootcert=${authority}`))).toContain('sslrootcert');
    expect(line(url('db', `?sslmode=verify-full&sslrootcert=${folder}/none`))).toMatch(
      /^sslrootcert in DATABASE_URL names a file that cannot be read: ENOENT/,
    );
    expect(line(url('db', `?sslmode=verify-full&sslrootcert=${folder}/key.pem`))).toContain('without a certificate');
  });
});
