import { expect, it } from 'vitest';
import { readConfig, UsageError } from '#runtime';
import { verifyInstallation } from './verify.js';

it('of an installation that does not run, verify says so in a line', async () => {
  // Port 1 is nobody's.
  const verified = verifyInstallation('postgres://muster@127.0.0.1:1/muster', readConfig({}));
  await expect(verified).rejects.toThrow(UsageError);
  await expect(verified).rejects.toThrow(/127\.0\.0\.1:1\. Start Muster/);
});
