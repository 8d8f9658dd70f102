import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { describeWithKafka, sharedKafka } from '../support/kafka.js';
import { startMuster, type Muster } from '../support/muster.js';
import { python, whatPythonMisses } from './python-tools.js';

/**
 * What others think of this SCIM server: scim2-tester, through scim2-cli, and scim-sanity. Everything that they check has to pass; there
 * is no list of what may fail.
 */

const SUITE_TIMEOUT_MS = 120_000;

const missing = whatPythonMisses();
// With CI=true nothing is skipped.
const isSkipped = missing !== null && process.env.CI !== 'true';

for (const log of ['Postgres', 'Kafka'] as const) {
  (log === 'Kafka' ? describeWithKafka : describe)(`on the ${log} log`, () => {
    describe.skipIf(isSkipped)(`third-party suites${isSkipped ? ` (skipped: they need ${missing})` : ''}`, () => {
      let muster: Muster;

      beforeAll(async () => {
        if (missing !== null) throw new Error(`The suites need ${missing}`);
        muster = await startMuster(log === 'Kafka' ? await sharedKafka() : undefined);
      }, 180_000);
      afterAll(() => muster?.stop(), 60_000);

      it('scim2-tester passes completely', async () => {
        const { exitCode, output } = await python(['-c', 'from scim2_cli import cli; cli()', '--url', muster.scimUrl, 'test'], {
          SCIM_CLI_HEADERS: `Authorization: Bearer ${muster.token}`, NO_COLOR: '1',
        });
        const results = output.split('\n').filter((line) => /^[A-Z]+ \w+$/.test(line));
        expect(results.filter((line) => !line.startsWith('SUCCESS ')), output).toEqual([]);
        expect(exitCode, output).toBe(0);
        // It ends early, and with success, where discovery shows it no users.
        expect(results, output).toEqual(expect.arrayContaining(['object_replacement', 'search_with_attributes', 'check_replace_attribute'].map((check) => `SUCCESS ${check}`)));
      }, SUITE_TIMEOUT_MS);

      it('scim-sanity passes completely for users', async () => {
        const { exitCode, output } = await python([
          '-m', 'scim_sanity', 'probe', muster.scimUrl, '--token', muster.token, '--resource', 'User', '--json-output', '--i-accept-side-effects',
        ]);
        const { summary, results } = JSON.parse(output) as { summary: object; results: { status: string; phase: string }[] };
        expect(summary, output).toMatchObject({ failed: 0, errors: 0, warnings: 0 });
        // What is not about users is skipped, and nothing else.
        expect(results.filter(({ status, phase }) => status === 'skip' && !/Group|Agent/.test(phase)), output).toEqual([]);
        expect(results.filter(({ status, phase }) => status === 'pass' && phase.includes('User')).length, output).toBeGreaterThanOrEqual(8);
        expect(exitCode, output).toBe(0);
      }, SUITE_TIMEOUT_MS);
    });
  });
}
