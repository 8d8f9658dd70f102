import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { describe, expect, it, vi } from 'vitest';
import { FACES, OWNERS, SERVICES } from './owners.js';
import { whatToRun } from './server.module.js';

vi.setConfig({ testTimeout: 60_000 });
const EVERYTHING = SERVICES.map(({ name }) => name);
const KAFKA = {} as never;

describe('RUN', () => {
  it('left out, it means all owners and faces', () => {
    expect(whatToRun({ kafka: null })).toEqual(EVERYTHING);
    expect(EVERYTHING).toEqual([...OWNERS, ...FACES].map(({ name }) => name));
  });

  it('names some of them, in any order, each counted once; all of them need no Kafka', () => {
    expect(whatToRun({ RUN: 'gateway,identity,gateway', kafka: KAFKA })).toEqual(
      EVERYTHING.filter((name) => ['gateway', 'identity'].includes(name)),
    );
    expect(whatToRun({ RUN: [...EVERYTHING].reverse().join(','), kafka: null })).toEqual(EVERYTHING);
  });

  it.each(['gatewy', 'gateway,', 'gateway, identity'])('refuses %j with the names that there are', (RUN) => {
    expect(() => whatToRun({ RUN, kafka: KAFKA })).toThrow(
      new RegExp(`^RUN names "[^"]*": it takes ${EVERYTHING.join(', ')}, with commas and no space between\\.$`),
    );
  });

  it('refuses several processes on the Postgres log, and says whom it would leave out', () => {
    expect(() => whatToRun({ RUN: EVERYTHING.slice(1).join(','), kafka: null })).toThrow(
      `RUN leaves ${EVERYTHING[0]} to other processes, and several processes need Kafka: set KAFKA_BROKERS, or leave RUN out.`,
    );
  });

  it.each(['main', 'server'])(
    '%s ends with that one line, and exit code 64, before it asks for a database',
    async (program) => {
      for (const [RUN, line] of [
        ['identity', 'several processes need Kafka'],
        ['nobody', 'RUN names \\"nobody\\"'],
      ] as const) {
        const { DATABASE_URL: _, ...environment } = process.env;
        const ended: { code?: number; stdout: string } = await promisify(execFile)(
          process.execPath,
          [`dist/apps/muster/src/${program}.js`],
          { env: { ...environment, RUN } },
        ).catch((error: unknown) => error as { code: number; stdout: string });
        expect(ended.code).toBe(64);
        expect(ended.stdout.trim().split('\n').slice(1)).toEqual([expect.stringContaining(line)]);
      }
    },
  );
});
