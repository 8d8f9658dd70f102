import '#first';
import { newProgram } from './commands.js';
import { run } from './commands/command.js';

/** `npm run cli`: administers a running Muster over HTTP, for people and for scripts. */
// A reader that has seen enough, such as head, closes the pipe: that is no fault of what is printed.
for (const stream of [process.stdout, process.stderr])
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
    process.exit();
  });
await run(newProgram());
