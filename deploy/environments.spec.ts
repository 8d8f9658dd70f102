import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { ownRoleUrl, roleUrl } from '#event-store';
import { readConfig, SETTINGS } from '#runtime';
import { roleOf } from '#contracts';
import { SERVICES } from '../apps/muster/src/owners.js';
import { environmentOf } from './environments.js';

const APPS = SERVICES.map((service) => [service.name, service] as const);
const NAMES = SERVICES.map(({ name }) => name);

const OWNER = 'postgres://muster:the%20password%20of%20the%20owner@db.example.org:5432/muster?sslmode=verify-full';
const SECRETS = {
  ownerUrl: OWNER,
  roles: { prefix: 'muster', passwords: {} },
  masterKey: Buffer.alloc(32, 1).toString('base64'),
  apiKey: 'the-key-of-the-admin-api-of-32-characters',
  commandLineKey: 'the-key-of-the-command-line-of-32-characters',
};
/**
 * The environment of `npm run stack` itself may hold this: every setting, as it is and as a file, and what is nobody's
 * business.
 */
const GIVEN = {
  ...Object.fromEntries(
    SETTINGS.flatMap(({ name }) => [
      [name, `given ${name}`],
      [`${name}_FILE`, `/run/secrets/${name}`],
    ]),
  ),
  PATH: '/bin',
  HOME: '/root',
  AWS_SECRET_ACCESS_KEY: 'cloud',
  GITHUB_TOKEN: 'ci',
  PGPASSWORD: 'other',
  LOG_LEVEL: 'warn',
  QUERY_TIMEOUT_MS: '4000',
};
/** The services that get more secrets of an installation than the URL of their role. */
const NEED_MORE: Readonly<Record<string, readonly string[]>> = {
  identity: ['MASTER_KEY'],
  audit: ['MASTER_KEY'],
  'admin-api': ['MASTER_KEY', 'MUSTER_API_KEY', 'MUSTER_CLI_KEY'],
  'sign-in': ['MASTER_KEY'],
};
const needsOf = (app: string): readonly string[] => ['DATABASE_URL', ...(NEED_MORE[app] ?? [])];

it.each(APPS)('%s gets the settings, the URL of its own role, its own secrets, and nothing else', (app, service) => {
  const environment = environmentOf(service, SECRETS, { PORT: '8080', KAFKA_BROKERS: 'kafka:9092' }, GIVEN);
  const secret = SETTINGS.filter((setting) => setting.secret).map(({ name }) => name);
  expect(secret.filter((name) => environment[name] !== undefined).sort()).toEqual([...needsOf(app)].sort());
  expect(
    Object.keys(environment).filter(
      (name) => name.endsWith('_FILE') && !SETTINGS.some((setting) => setting.name === name),
    ),
  ).toEqual([]);
  expect(environment).toMatchObject({
    PATH: '/bin',
    HOME: '/root',
    LOG_LEVEL: 'warn',
    QUERY_TIMEOUT_MS: '4000',
    PORT: '8080',
    KAFKA_BROKERS: 'kafka:9092',
  });
  const known = new Set([
    ...SETTINGS.map(({ name }) => name),
    'PATH',
    'HOME',
    'TZ',
    'LANG',
    'NODE_OPTIONS',
    'NODE_EXTRA_CA_CERTS',
  ]);
  expect(Object.keys(environment).filter((name) => !known.has(name) || name === 'DATA_DIR')).toEqual([]);
  expect(environment.RUN).toBe(app);
  expect(environment.DATABASE_URL).toBe(roleUrl(OWNER, roleOf(app)));
  expect(ownRoleUrl(environment.DATABASE_URL!, roleOf(app))).toBe(environment.DATABASE_URL);
  const text = JSON.stringify(environment);
  expect(text).not.toMatch(/the%20password|the password|cloud|"ci"|other|\/run\/secrets/);
  expect(text.includes(SECRETS.masterKey)).toBe(needsOf(app).includes('MASTER_KEY'));
  expect(text.includes(SECRETS.apiKey)).toBe(needsOf(app).includes('MUSTER_API_KEY'));
  expect(text.includes(SECRETS.commandLineKey)).toBe(needsOf(app).includes('MUSTER_CLI_KEY'));
});

it('what a service gets it can read', () => {
  for (const [app, service] of APPS)
    expect(readConfig(environmentOf(service, SECRETS, {}, { PATH: '/bin' })).DATABASE_URL).toMatch(
      `//muster_${roleOf(app)}:`,
    );
});

it.each(NAMES)('%s refuses the URL of the owner and of every other role, in one line', (app) => {
  for (const url of [
    OWNER,
    ...NAMES.filter((other) => other !== app).map((other) => roleUrl(OWNER, roleOf(other))),
    'postgres://muster_x@h/d',
    `${roleUrl(OWNER, roleOf(app))}&user=muster`,
  ]) {
    expect(() => ownRoleUrl(url, roleOf(app)), url).toThrow(
      /^DATABASE_URL names the user [\w ]+: this service connects as its own role[^\n]*$/,
    );
  }
});

/** The lines of one service of docker-compose.yml, without its comments. */
const serviceOf = (name: string): string => {
  const services = readFileSync('docker-compose.yml', 'utf8')
    .split(/^services:$/m)[1]!
    .replace(/^\s*#.*$/gm, '');
  return new RegExp(`^  ${name}:\\n((?: {4}.*\\n|\\n)+)`, 'm').exec(services)![1]!;
};

it.each(NAMES)('in docker-compose.yml, too, %s gets no secret of others', (app) => {
  const text = serviceOf(app);
  expect([...text.matchAll(/^ {6}(\w+): .*\$\{\w+:\?/gm)].map(([, name]) => name!).sort()).toEqual(
    [...needsOf(app), 'KAFKA_SASL_PASSWORD'].sort(),
  );
  expect(text).toContain(`KAFKA_SASL_PASSWORD: \${${roleOf(app).toUpperCase()}_KAFKA_PASSWORD:?`);
  expect(text).toContain(`postgres://muster_${roleOf(app)}:\${${roleOf(app).toUpperCase()}_DATABASE_PASSWORD:?`);
});

it('in docker-compose.yml what all services share holds no secret, and the password of the owner goes to the database and its migration alone', () => {
  const file = readFileSync('docker-compose.yml', 'utf8').replace(/^\s*#.*$/gm, '');
  expect(file.split(/^services:$/m)[0]).not.toMatch(/\$\{\w+:\?/);
  const holds = [...file.matchAll(/^ {2}([\w-]+):$/gm)]
    .map(([, name]) => name!)
    .filter((name) => ['postgres', 'kafka', 'migrate', ...NAMES].includes(name));
  expect([...new Set(holds)].filter((name) => serviceOf(name).includes('POSTGRES_PASSWORD:?'))).toEqual([
    'postgres',
    'migrate',
  ]);
});
