import { VERSION } from './version.js';

/**
 * Every program imports this before anything else: an older Node finds functions missing only when they are called,
 * which was a server that said it was ready and answered each write with a 503. `--version` of every program is
 * answered here, too.
 *
 * Only what Node 20 can read may stand in a program, and here: modules are evaluated in the order of their imports, but
 * all of them are parsed before, and their imports from Node are looked for. (Node 18 ends at the first `v` of a
 * regular expression.)
 */
const OLDEST_NODE = 24;
/** As EXIT_USAGE of usage-error.ts: its lib imports what an older Node may not be able to run. */
const EXIT_USAGE = 64;

if (Number(process.versions.node.split('.')[0]) < OLDEST_NODE) {
  console.error(
    `Muster needs Node ${OLDEST_NODE} or newer, and this is Node ${process.versions.node}. npm ci brings one, which the npm scripts use: npm start.`,
  );
  process.exit(EXIT_USAGE);
}
if (process.argv[2] === '--version') {
  console.log(VERSION);
  process.exit(0);
}
