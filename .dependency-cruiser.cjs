/** Who may import whom. Inside a room imports are relative, across rooms they go through the index of a lib. */
const rule = (name, comment, from, to) => ({ name, comment, severity: 'error', from, to });

module.exports = {
  forbidden: [
    rule('scim-imports-nothing', 'RFC 7643/7644 in pure code', { path: '^libs/scim/', pathNot: '\\.spec\\.ts$' }, { pathNot: '^libs/scim/' }),
    rule('contracts-import-scim-types', 'the words that cross a process are pure', { path: '^libs/contracts/', pathNot: '\\.spec\\.ts$' },
      { pathNot: '^libs/(contracts|scim)/' }),
    rule('store-and-log-apart', 'handle-batch is handed the SQL pieces of log and projection', { path: '^libs/event-store/' }, { path: '^libs/(log|runtime)/' }),
    rule('log-and-store-apart', 'the log knows no events', { path: '^libs/log/' }, { path: '^libs/(event-store|runtime)/' }),
    rule('runtime-imports-nothing-of-ours', 'it is below everything', { path: '^libs/runtime/' }, { path: '^(apps|libs/(?!runtime/))' }),
    rule('app-to-app-never', 'only all-in-one composes the modules', { path: '^apps/(?!all-in-one/)([^/]+)/' }, { path: '^apps/', pathNot: '^apps/$1/' }),
    rule('pure-app-file', 'a file without a role suffix is pure; only hashing comes from node:crypto',
      { path: '^apps/(gateway|identity|admin)/src/[^/.]+\\.ts$', pathNot: '/main\\.ts$' },
      { pathNot: '^(libs/(contracts|scim)/|apps/[^/]+/src/[^/.]+\\.ts$|(node:)?crypto$)' }),
    rule('lib-through-its-index', 'one index for each lib', { path: '^(apps|libs/([^/]+)/)' }, { path: '^libs/[^/]+/src/(?!index\\.ts$)', pathNot: '^libs/$2/' }),
    rule('kafkajs-in-one-folder', 'it is unmaintained: one folder to replace', { pathNot: '^(libs/log/src/kafka/|test/|.*\\.spec\\.ts$)' }, { path: '^node_modules/kafkajs/' }),
    rule('nothing-imports-test', 'tests are on top; a spec beside its file gets its servers there', { pathNot: '(^test/|\\.spec\\.ts$)' }, { path: '^test/' }),
    rule('no-cycles', 'a cycle has no first page', {}, { circular: true }),
    rule('no-orphans', 'dead files', { orphan: true, pathNot: '(\\.spec\\.ts|verify\\.ts|main\\.ts|server\\.ts)$' }, {}),
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsConfig: { fileName: 'tsconfig.json' },
    parser: 'swc',
    tsPreCompilationDeps: true,
    enhancedResolveOptions: { conditionNames: ['source', 'import', 'node', 'default'], extensions: ['.ts', '.js'] },
  },
};
