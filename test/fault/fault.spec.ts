import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { LOGS } from '../bench/installation.js';
import { describeWithOwnKafka } from '../support/kafka.js';
import { isClean, renderReport, runFaults, VICTIMS } from './fault-run.js';

/**
 * The short fault run: it takes about 20 s embedded and a minute or two on Kafka, twice that on a busy machine. The
 * long one is `npm run fault`.
 */

const KILLS_PER_PROCESS = 2;
const ACKNOWLEDGED_AT_LEAST = 1_000;
const TIMEOUT_MS = 600_000;

for (const log of LOGS) {
  (log === 'kafka' ? describeWithOwnKafka : describe)(`on ${log}`, () => {
    it('no kill takes back what a client was told', { timeout: TIMEOUT_MS }, async () => {
      const folder = mkdtempSync(join(tmpdir(), 'muster-fault-'));
      const kills = KILLS_PER_PROCESS * VICTIMS[log].length;
      const report = await runFaults({
        log,
        dataDir: join(folder, log),
        kills,
        acknowledgedAtLeast: ACKNOWLEDGED_AT_LEAST,
      });
      expect(isClean(report), renderReport(report)).toBe(true);
      expect(report.kills).toHaveLength(kills);
      expect(report.counts.acknowledged).toBeGreaterThanOrEqual(ACKNOWLEDGED_AT_LEAST);
      expect(report.memberships).toBeGreaterThan(0);
      rmSync(folder, { recursive: true });
    });
  });
}
