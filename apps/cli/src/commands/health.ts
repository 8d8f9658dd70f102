import type { Command } from 'commander';
import { call } from '../admin-api.sender.js';
import { describeHealth, type HealthView } from '../health-views.js';
import { directoryOf } from '../named.sender.js';
import { paint } from './audit.js';
import { addCommand, AS_JSON, print } from './command.js';

export const addHealth = (directory: Command): void => {
  addCommand(
    directory,
    'health',
    'say whether provisioning is alive: last requests, cycles and the next one, errors, what fails, quarantine of Entra, expiry',
    '"Contoso Entra"',
  )
    .argument('[directory]', 'name or id of the directory (default: the first one)')
    .option(...AS_JSON)
    .action(async (given: string | undefined, { json }: { readonly json?: boolean }) => {
      const health = await call<HealthView>(
        'GET',
        `directories/${encodeURIComponent(await directoryOf(given))}/health`,
      );
      print(json, health, describeHealth(health, paint));
    });
};
