import { Command } from 'commander';
import { EXIT_CODES } from './commands/command.js';
import { addAudit } from './commands/audit.js';
import { addProof } from './commands/audit-proof.js';
import { addClient } from './commands/client.js';
import { addDirectory } from './commands/directory.js';
import { addDomain } from './commands/domain.js';
import { addGroup } from './commands/group.js';
import { addKey } from './commands/key.js';
import { addMapping } from './commands/mapping.js';
import { addReport } from './commands/report.js';
import { addRequest } from './commands/request.js';
import { addSchema } from './commands/schema.js';
import { addTenant } from './commands/tenant.js';
import { addToken } from './commands/token.js';
import { addUser } from './commands/user.js';

/** The command line: one file a noun in commands/. */
export const newProgram = (): Command => {
  const program = new Command('npm run -s cli --')
    .description('Manages a running Muster: one that npm start or npm run stack started in DATA_DIR (default ./.data).')
    .addHelpText(
      'after',
      '\nExample:\n  npm run -s cli -- directory show --json\n\nMUSTER_URL (of the admin API) and MUSTER_API_KEY, or MUSTER_API_KEY_FILE, name another Muster.',
    )
    .addHelpText('afterAll', EXIT_CODES)
    .showHelpAfterError('(--help shows how it is used)')
    .exitOverride();
  for (const add of [
    addTenant,
    addDirectory,
    addToken,
    addClient,
    addKey,
    addDomain,
    addSchema,
    addUser,
    addGroup,
    addMapping,
    addAudit,
    addProof,
    addRequest,
    addReport,
  ])
    add(program);
  return program;
};
