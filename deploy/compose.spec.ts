import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { userOf } from '#contracts';
import { SERVICES } from '../apps/muster/src/owners.js';
import { POSTGRES_SETTINGS } from '#runtime';
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

it('the log of its Postgres holds no more of what clients send than that of the embedded one', () => {
  const command = serviceOf('postgres').replace(/\s+/g, ' ');
  for (const [name, value] of Object.entries(POSTGRES_SETTINGS))
    if (name.startsWith('log_')) expect(command).toContain(` -c ${name}=${value} `);
});
