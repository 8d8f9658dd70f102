import { beforeAll, describe, expect, it } from 'vitest';
import { describeWithKafka } from '../support/kafka.js';
import { startMuster } from '../support/muster.js';
import { python, whatPythonMisses } from './python-tools.js';

/**
 * Others judge this SCIM server: scim2-tester, through scim2-cli, and scim-sanity. Everything that they check has to
 * pass, but for one check of scim-sanity and three of scim2-tester. They are clients like any other: their directory is
 * of the kind for these.
 */

/** The member that scim-sanity adds, "fake-member-id", is nobody, of which a group of ours must not consist. */
const NOT_200 = [['PATCH /Groups/{id} add member', 'Expected 200, got 400']];

/**
 * scim2-tester removes each attribute that /Schemas does not call required. RFC 7643 §8.7.1 does not call `active` so,
 * and Muster takes users without it; but to remove it would give access back to a user who was deactivated, and is
 * refused.
 */
const ACTIVE_STAYS = [
  'ERROR check_remove_attribute',
  "  Failed to remove attribute 'active': active must be true or false; it cannot be removed.",
];

/**
 * scim2-tester wants members back exactly as it sent them. They come with their names, for people (RFC 7643 §2.4),
 * which is all by which they differ: /Schemas calls `display` read-only.
 */
const WITH_NAMES = ['check_add_attribute', 'check_replace_attribute'].map(
  (check) =>
    [
      `ERROR ${check}`,
      new RegExp(
        `^ERROR ${check}\\n  PATCH modify\\(\\) returned unexpected value for 'members'\\.\\n` +
          String.raw`Patched value: \[Members\((.*), display=None\)\]\nReturned value: \[Members\(\1, display='[^']+'\)\]$`,
        'm',
      ),
    ] as const,
);

const SUITE_TIMEOUT_MS = 120_000;

const missing = whatPythonMisses();
// With CI=true nothing is skipped.
const isSkipped = missing !== null && process.env.CI !== 'true';

for (const log of ['Postgres', 'Kafka'] as const) {
  (log === 'Kafka' ? describeWithKafka : describe)(`on the ${log} log`, () => {
    describe.skipIf(isSkipped)(`third-party suites${isSkipped ? ` (skipped: they need ${missing})` : ''}`, () => {
      beforeAll(() => {
        if (missing !== null) throw new Error(`The suites need ${missing}`);
      });
      const muster = startMuster({ log });
      let token: string;
      beforeAll(async () => {
        ({ token } = await muster.newDirectory('Suites'));
      });

      it(
        'scim2-tester passes, but that active can be removed and that members have no names',
        async () => {
          const { exitCode, output } = await python(
            ['-c', 'from scim2_cli import cli; cli()', '--url', muster.scimUrl, 'test'],
            { SCIM_CLI_HEADERS: `Authorization: Bearer ${token}`, NO_COLOR: '1' },
          );
          const results = output.split('\n').filter((line) => /^[A-Z]+ \w+$/.test(line));
          expect(
            results.filter((line) => !line.startsWith('SUCCESS ')),
            output,
          ).toEqual([ACTIVE_STAYS[0], ...WITH_NAMES.map(([check]) => check)]);
          expect(output).toContain(ACTIVE_STAYS.join('\n'));
          for (const [, told] of WITH_NAMES) expect(output).toMatch(told);
          expect(exitCode, output).toBe(1);
          // It ends early, and with success, where discovery shows it no users, or no groups.
          for (const check of ['object_creation', 'object_replacement', 'object_deletion'])
            expect(
              results.filter((line) => line === `SUCCESS ${check}`),
              output,
            ).toHaveLength(2);
          expect(results, output).toEqual(
            expect.arrayContaining(
              ['search_with_attributes', 'check_replace_attribute'].map((check) => `SUCCESS ${check}`),
            ),
          );
        },
        SUITE_TIMEOUT_MS,
      );

      it.each([
        ['users', ['User'], /Group|Agent/, 0],
        ['groups', ['Group'], /User|Agent/, 1],
        ['users and groups', [], /Agent/, 1],
      ] as const)(
        'scim-sanity passes completely for %s',
        async (_what, resources, elsewhere, not200) => {
          const { exitCode, output } = await python([
            '-m',
            'scim_sanity',
            'probe',
            muster.scimUrl,
            '--token',
            token,
            ...resources.flatMap((resource) => ['--resource', resource]),
            '--json-output',
            '--i-accept-side-effects',
          ]);
          interface Result {
            readonly name: string;
            readonly status: string;
            readonly phase: string;
            readonly message: string;
          }
          const { summary, results } = JSON.parse(output) as { summary: object; results: Result[] };
          expect(summary, output).toMatchObject({ failed: not200, errors: 0, warnings: 0 });
          expect(
            results.filter(({ status }) => status === 'fail').map(({ name, message }) => [name, message]),
            output,
          ).toEqual(NOT_200.slice(0, not200));
          // Tests that were not asked for are skipped, and nothing else.
          expect(
            results.filter(({ status, phase }) => status === 'skip' && !elsewhere.test(phase)),
            output,
          ).toEqual([]);
          for (const resource of ['User', 'Group'].filter((one) => !elsewhere.test(one))) {
            expect(
              results.filter(({ status, phase }) => status === 'pass' && phase.includes(resource)).length,
              output,
            ).toBeGreaterThanOrEqual(resource === 'User' ? 8 : 7);
          }
          expect(exitCode, output).toBe(not200 > 0 ? 1 : 0);
        },
        SUITE_TIMEOUT_MS,
      );
    });
  });
}
