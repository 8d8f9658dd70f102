import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { roleOf, userOf } from '#contracts';
import { ownRoleUrl } from '#event-store';
import { SERVICES } from '../apps/muster/src/owners.js';
import { whatToRun } from '../apps/muster/src/server.module.js';
import { POSTGRES_SETTINGS } from '#host';
import { readConfig } from '#runtime';
import { databasePasswordOf, kafkaPasswordOf } from './environments.js';
import { settings } from './kafka-broker.js';

/**
 * docker-compose.yml and `npm run stack` have the same broker: no image runs in the tests, so what they say is
 * compared.
 */

const lines = readFileSync('docker-compose.yml', 'utf8').replace(/^\s*#.*\n/gm, '');
const serviceOf = (name: string): string =>
  new RegExp(`^  ${name}:\\n((?: {4}.*\\n|\\n)+)`, 'm').exec(lines.split(/^services:$/m)[1]!)![1]!;
const kafka = serviceOf('kafka');

/**
 * The environment of the container, as the image makes properties of it: KAFKA_ goes, ___ is -, __ is _, _ is a point.
 */
const properties = (): Map<string, string> => {
  const anchors = new Map<string, string>();
  return new Map(
    [...kafka.matchAll(/^ {6}(KAFKA_\w+): (?:(&[\w-]+ )?>-\n((?: {8}.*\n)+)|(.*)\n)/gm)].map(
      ([, name, anchor, folded, plain]) => {
        const text = folded ? folded.trim().replace(/\s*\n\s*/g, ' ') : plain!.replace(/^'(.*)'$/, '$1');
        if (anchor) anchors.set(anchor.trim().slice(1), text);
        const property = name!
          .slice('KAFKA_'.length)
          .toLowerCase()
          .replaceAll('_', '.')
          .replaceAll('...', '-')
          .replaceAll('..', '_');
        return [property, text.startsWith('*') ? anchors.get(text.slice(1))! : text];
      },
    ),
  );
};
const PASSWORD = '${KAFKA_PASSWORD:?is not in .env - make it as the head of docker-compose.yml says}';
/** Ports and folders are the container's; the number of threads is for two cores. */
const OWN = [
  'listeners',
  'advertised.listeners',
  'controller.quorum.voters',
  'log.dirs',
  'heap.opts',
  'num.network.threads',
  'num.io.threads',
];

it('the broker of docker-compose.yml has the settings of the one of npm run stack', () => {
  const ours = settings('/data', { client: 9092, admin: 9094, controller: 9093 }, PASSWORD);
  const theirs = properties();
  for (const [name, value] of Object.entries(ours))
    if (!OWN.includes(name)) expect(theirs.get(name), name).toBe(String(value));
  expect([...theirs.keys()].filter((name) => !(name in ours) && !OWN.includes(name))).toEqual([]);
});

it('only the listener of the services can be reached from other containers', () => {
  const listeners = properties().get('listeners')!.split(',');
  expect(listeners).toEqual(['CLIENT://:9092', 'ADMIN://127.0.0.1:9094', 'CONTROLLER://127.0.0.1:9093']);
  expect(kafka).not.toMatch(/^ {4}ports:/m);
});

it('each service is a user of its own there, whose password is made before it starts', () => {
  for (const { name: service } of SERVICES) {
    const variable = `${service.toUpperCase().replace('-', '_')}_KAFKA_PASSWORD`;
    expect(serviceOf(service)).toContain(`KAFKA_SASL_USERNAME: ${userOf(service)}\n`);
    expect(serviceOf(service)).toContain(`KAFKA_SASL_PASSWORD: \${${variable}:?`);
    expect(serviceOf('kafka-users')).toContain(`${variable}: \${${variable}:?`);
    expect(readFileSync('docker-compose.yml', 'utf8').split('\n\n')[0]).toContain(variable);
  }
  expect(lines).toMatch(/kafka-users:\n {6}condition: service_completed_successfully/);
});

it('the log of its Postgres holds no more of what clients send than that of the embedded one, and a crash ends both as a whole', () => {
  const command = serviceOf('postgres').replace(/\s+/g, ' ');
  for (const [name, value] of Object.entries(POSTGRES_SETTINGS))
    if (name.startsWith('log_') || name === 'restart_after_crash') expect(command).toContain(` -c ${name}=${value} `);
});

type Environment = Readonly<Record<string, string>>;

describe('with the .env that its head makes', () => {
  let folder: string;
  const made = (): string => readFileSync(join(folder, '.env'), 'utf8');
  const variables = (): Environment =>
    Object.fromEntries([...made().matchAll(/^(\w+)=(.+)$/gm)].map(([, name, value]) => [name!, value!]));
  /** The command that the head names, in the folder of the file. */
  const makeEnvironment = (): void => {
    const [, command] = / this runs them: (.*)\n/.exec(readFileSync('docker-compose.yml', 'utf8'))!;
    execFileSync('sh', ['-c', command!], { cwd: folder });
  };
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'muster-compose-'));
    copyFileSync('docker-compose.yml', join(folder, 'docker-compose.yml'));
    makeEnvironment();
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  /** Replaces variables as `docker compose` does: `:-` is their default, and `:?` stops it. */
  const interpolated = (text: string): string =>
    text.replace(/\$\$|\$\{(\w+):([-?])([^}]*)\}/g, (whole, name: string | undefined, kind, rest: string) => {
      if (name === undefined) return '$';
      const value = variables()[name];
      if (!value && kind === '?') throw new Error(`${name} ${rest}`);
      return value || (kind === '-' ? rest : whole);
    });
  const environmentOf = (service: string): Environment => {
    const { services } = parse(
      readFileSync('docker-compose.yml', 'utf8'),
      (_key, value: unknown) => (typeof value === 'string' ? interpolated(value) : value),
      { merge: true },
    ) as { services: Readonly<Record<string, { environment: Environment }>> };
    return services[service]!.environment;
  };
  /** The variables that the image sets; the environment of a container overrides them. */
  const imageEnvironment = Object.fromEntries(
    [...readFileSync('deploy/Dockerfile', 'utf8').matchAll(/^ENV (.*)$/gm)].flatMap(([, pairs]) =>
      pairs!.split(' ').map((pair) => pair.split('=')),
    ),
  ) as Environment;
  const configOf = (service: string): ReturnType<typeof readConfig> =>
    readConfig({ ...imageEnvironment, ...environmentOf(service) });

  it('only its owner reads it, no two secrets are equal, and none is made for nobody', () => {
    expect(statSync(join(folder, '.env')).mode & 0o777).toBe(0o600);
    const values = Object.values(variables());
    expect(new Set(values).size).toBe(values.length);
    const asked = [...lines.matchAll(/\$\{(\w+):\?/g)].map(([, name]) => name!);
    expect(Object.keys(variables()).sort()).toEqual([...new Set(asked)].sort());
  });

  it('what it holds stays, whichever way it is written, and only what it lacks is added', () => {
    const first = made();
    const kept = first.replace(/^(KAFKA|GATEWAY_KAFKA)_PASSWORD=.*\n/gm, '').replace(/^(?=MASTER_KEY=)/m, 'export ');
    try {
      makeEnvironment();
      expect(made()).toBe(first);
      // As an editor leaves it that ends no line.
      writeFileSync(join(folder, '.env'), kept.trimEnd());
      makeEnvironment();
      expect(made().startsWith(kept)).toBe(true);
      expect(made().slice(kept.length)).toMatch(/^KAFKA_PASSWORD=[0-9a-f]{64}\nGATEWAY_KAFKA_PASSWORD=[0-9a-f]{64}\n$/);
    } finally {
      writeFileSync(join(folder, '.env'), first);
    }
  });

  it.each(SERVICES)('$name is let in by the database and by Kafka, and runs alone', ({ name }) => {
    const config = configOf(name);
    expect(whatToRun(config)).toEqual([name]);
    const url = new URL(ownRoleUrl(config.DATABASE_URL!, roleOf(name)));
    expect(url.password).toBe(configOf('migrate').databaseRoles.passwords[roleOf(name)]);
    expect(url.password).toBe(variables()[databasePasswordOf(name)]);
    expect(config.kafka).toMatchObject({ brokers: ['kafka:9092'], sasl: { username: userOf(name) } });
    expect(config.KAFKA_SASL_PASSWORD).toBe(environmentOf('kafka-users')[kafkaPasswordOf(name)]);
  });

  it.each(SERVICES.flatMap((service) => ('keepsFilesIn' in service ? [service] : [])))(
    'the files of $name outlive its container, and its user may write them',
    ({ name, keepsFilesIn }) => {
      expect(serviceOf(name)).toContain(`    volumes:\n      - ${name}:/data\n`);
      expect(configOf(name)[keepsFilesIn!]).toMatch(/^\/data\//);
      expect(lines.split(/^volumes:$/m)[1]).toMatch(new RegExp(`^  ${name}:$`, 'm'));
      expect(readFileSync('deploy/Dockerfile', 'utf8')).toMatch(/chown node:node \/data\nVOLUME \/data/);
    },
  );

  it.each(SERVICES.flatMap((service) => ('address' in service ? [service] : [])))(
    '$name listens where its published port leads, which is on loopback',
    (face) => {
      const { host, port } = face.address(configOf(face.name));
      expect(host).toBe('0.0.0.0');
      expect(serviceOf(face.name)).toMatch(new RegExp(`^ {6}- 127\\.0\\.0\\.1:\\$\\{\\w+:-${port}\\}:${port}$`, 'm'));
    },
  );

  it('the migration gives a password to the roles of the services, and to no other', () => {
    const { databaseRoles } = configOf('migrate');
    expect(Object.keys(databaseRoles.passwords).sort()).toEqual(SERVICES.map(({ name }) => roleOf(name)).sort());
  });
});
