import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { LOGS } from '../bench/installation.js';
import { describeWithOwnKafka } from '../support/kafka.js';
import { ATTACKS } from './attacks.js';
import { findingsOf, renderReport, runHostile } from './hostile-run.js';

/** The short form of each attack; the whole one, with the victim's latencies judged, is `npm run hostile`. */
const ATTACK_MS = 3_000;
const QUIET_MS = 500;
const TIMEOUT_MS = 900_000;

for (const log of LOGS) {
  (log === 'kafka' ? describeWithOwnKafka : describe)(`on ${log}`, () => {
    it(
      'whatever one tenant sends, another one of the same partition gets every answer',
      { timeout: TIMEOUT_MS },
      async () => {
        const folder = mkdtempSync(join(tmpdir(), 'muster-hostile-'));
        const report = await runHostile({
          log,
          dataDir: join(folder, log),
          size: 'short',
          attackMs: ATTACK_MS,
          quietMs: QUIET_MS,
        });
        expect(findingsOf(report), renderReport(report)).toEqual([]);
        expect(report.attacks.map(({ name }) => name)).toEqual(ATTACKS.map(({ name }) => name));
        rmSync(folder, { recursive: true });
      },
    );
  });
}
