import '#first';
import { newProgram } from './commands.js';
import { run } from './commands/command.js';

/** `npm run cli`: administers a running Muster over HTTP, for people and for scripts. */
await run(newProgram());
