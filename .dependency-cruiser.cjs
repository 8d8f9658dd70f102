/** These rules say who may import whom. Inside a room imports are relative, across rooms they go through the index of a lib. */
const rule = (name, comment, from, to) => ({ name, comment, severity: 'error', from, to });

/** A spec may start a database or a broker; a contract is a suite that the specs of several adapters run. */
const TESTS = '\\.(spec|contract)\\.ts$';
/** Files that a process starts with: they compose, and whatever none of them reaches is dead. */
const ENTRIES =
  '^apps/(muster|cli|witness)/src/main\\.ts$|^apps/cli/src/demo/demo\\.ts$|^apps/muster/src/(server|verify|rebuild|migrate|backup)\\.ts$|^deploy/(stack|kafka-set-up)\\.ts$';

/** The nouns of the command line: they ask the admin API and print. */
const COMMANDS = '^apps/cli/src/commands[/.]';

/** It composes, too: the one list that everything is made of. */
const LIST = '^apps/muster/src/owners\\.ts$';

/** Every program begins with it, and imports nothing else of its lib before. */
const FIRST = '^libs/runtime/src/first\\.ts$';

module.exports = {
  forbidden: [
    rule(
      'scim-imports-nothing',
      'RFC 7643/7644 in pure code',
      { path: '^libs/scim/', pathNot: TESTS },
      { pathNot: '^libs/scim/' },
    ),
    rule(
      'tlog-imports-nothing-of-ours',
      'transparency logs in pure code; only hashing and signing come from node:crypto',
      { path: '^libs/tlog/', pathNot: TESTS },
      { pathNot: '^libs/tlog/|^(node:)?crypto$' },
    ),
    rule(
      'mapping-imports-scim',
      'expressions in pure code',
      { path: '^libs/mapping/', pathNot: TESTS },
      { pathNot: '^libs/(mapping|scim)/' },
    ),
    // That these are types, the swc parser cannot tell: test/tidy.spec.ts does.
    rule(
      'contracts-import-scim',
      'the words that cross a process are pure',
      { path: '^libs/contracts/', pathNot: TESTS },
      { pathNot: '^libs/(contracts|scim)/' },
    ),
    rule(
      'store-imports-contracts',
      'handle-batch is handed the SQL pieces of log and projection',
      { path: '^libs/event-store/', pathNot: TESTS },
      { path: '^(apps|deploy|libs/(?!(contracts|event-store)/))' },
    ),
    rule(
      'log-imports-contracts',
      'the log knows no events',
      { path: '^libs/log/', pathNot: TESTS },
      { path: '^(apps|deploy|libs/(?!(contracts|log)/))' },
    ),
    rule(
      'runtime-imports-nothing-of-ours',
      'it is below everything',
      { path: '^libs/runtime/' },
      { path: '^(apps|deploy|libs/(?!runtime/))' },
    ),
    rule(
      'auth-imports-runtime',
      'a token alone tells it who somebody is: it knows no commands, no events and no faces',
      { path: '^libs/auth/', pathNot: TESTS },
      { path: '^(apps|deploy|libs/(?!(auth|runtime)/))' },
    ),
    rule(
      'host-imports-runtime',
      'it keeps processes running, and knows nothing of what they do',
      { path: '^libs/host/', pathNot: TESTS },
      { path: '^(apps|deploy|libs/(?!(host|runtime)/))' },
    ),
    rule(
      'host-is-for-programs',
      'only muster and deploy start processes: an owner, a face or a lib works in one that runs',
      { path: '^(apps/(?!muster/)|libs/(?!host/))', pathNot: TESTS },
      { path: '^libs/host/' },
    ),
    rule(
      'owner-imports-no-app',
      'it is what every owner is made of, and knows none',
      { path: '^libs/owner/', pathNot: TESTS },
      { path: '^(apps|deploy|libs/scim)/' },
    ),
    rule(
      'app-to-app-never',
      'only muster composes the modules',
      { path: '^apps/(?!muster/)([^/]+)/' },
      { path: '^apps/', pathNot: '^apps/$1/' },
    ),
    rule(
      'pure-app-file',
      'a file without a role suffix is pure; only hashing comes from node:crypto',
      { path: '^apps/.+/[^/.]+\\.ts$', pathNot: [ENTRIES, LIST, COMMANDS] },
      { pathNot: '^(libs/(contracts|scim|mapping|tlog)/|apps/.+/[^/.]+\\.ts$|(node:)?crypto$)' },
    ),
    rule(
      'faces-hold-no-state',
      'they read published views and write commands; main.ts connects',
      { path: '^apps/(gateway|admin-api|sign-in)/', pathNot: [ENTRIES, TESTS] },
      { path: '^libs/event-store/' },
    ),
    rule(
      'gateway-http-is-on-top',
      'what queries and what sends know nothing of requests, nor of each other',
      { path: '^apps/gateway/src/(read|write)/' },
      { path: '^apps/gateway/src/(http|read|write)/', pathNot: '^apps/gateway/src/$1/' },
    ),
    rule(
      'cli-speaks-http',
      'it works from any machine that reaches the admin API; contracts are words alone, and pure libs work in place',
      { path: '^apps/cli/', pathNot: TESTS },
      {
        path: '^(libs|deploy|node_modules/(pg|kafkajs|@nestjs))/',
        pathNot: [FIRST, '^libs/(contracts|mapping|tlog)/'],
      },
    ),
    rule(
      'witness-stands-alone',
      'it is run by others than Muster: the less it is made of, the more of it can be read',
      { path: '^apps/witness/', pathNot: TESTS },
      { path: '^(libs|deploy)/', pathNot: '^libs/(tlog|runtime)/' },
    ),
    rule(
      'lib-through-its-index',
      'one index for each lib',
      { path: '^(apps|deploy|test|libs/([^/]+))/' },
      { path: '^libs/[^/]+/src/(?!index\\.ts$)', pathNot: ['^libs/$2/', FIRST] },
    ),
    rule(
      'lib-by-its-name',
      'a path that climbs out of its room hides that it crosses a border',
      { path: '^(apps|deploy|test|libs/([^/]+))/' },
      { path: '^libs/[^/]+/src/index\\.ts$', pathNot: '^libs/$2/', dependencyTypesNot: ['aliased-subpath-import'] },
    ),
    rule(
      'kafkajs-in-one-folder',
      'it is unmaintained: one folder to replace',
      { pathNot: ['^libs/log/src/kafka/', '^test/support/', TESTS] },
      { path: '^node_modules/kafkajs/' },
    ),
    rule(
      'nothing-imports-test',
      'tests are on top; a spec beside its file gets its servers there',
      { pathNot: ['^test/', TESTS] },
      { path: '^test/' },
    ),
    rule(
      'nothing-imports-deploy',
      'the product runs where nothing of deploy is',
      { pathNot: ['^(deploy|test)/', TESTS] },
      { path: '^deploy/' },
    ),
    rule('every-import-resolves', 'what cannot be found is checked by no other rule', {}, { couldNotResolve: true }),
    rule(
      'every-package-is-named',
      'a package that only another one brings may leave with it',
      {},
      { dependencyTypes: ['npm-no-pkg', 'npm-unknown'] },
    ),
    rule(
      'no-tools-in-the-product',
      'an installation is made without devDependencies',
      { path: '^(apps|libs|deploy)/', pathNot: TESTS },
      { dependencyTypes: ['npm-dev'] },
    ),
    rule('no-cycles', 'a cycle has no first page', {}, { circular: true }),
    rule(
      'no-dead-files',
      'no main file leads there',
      { path: ENTRIES },
      { path: '^(apps|libs|deploy)/', pathNot: [ENTRIES, TESTS], reachable: false },
    ),
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsConfig: { fileName: 'tsconfig.json' },
    parser: 'swc',
    tsPreCompilationDeps: true,
    enhancedResolveOptions: { conditionNames: ['source', 'import', 'node', 'default'], extensions: ['.ts', '.js'] },
  },
};
