import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';

/**
 * A rule that never fires guards nothing: each one is shown a file that breaks it, in a folder shaped like the project.
 */

const require = createRequire(import.meta.url);
const config = resolve('.dependency-cruiser.cjs');
const rules = (require(config) as { forbidden: { name: string }[] }).forbidden.map(({ name }) => name);

interface Row {
  /** The only rule that fires; null = everybody may do this. */
  readonly rule: string | null;
  readonly file: string;
  readonly imports: readonly string[];
}

const broken = (rule: string, file: string, ...imports: string[]): Row => ({ rule, file, imports });
const allowed = (file: string, ...imports: string[]): Row => ({ rule: null, file, imports });

const ROWS: readonly Row[] = [
  broken('scim-imports-nothing', 'libs/scim/src/a.ts', 'node:crypto'),
  broken('scim-imports-nothing', 'libs/scim/src/b.ts', 'pg'),
  broken('scim-imports-nothing', 'libs/scim/src/c.ts', '#contracts'),
  allowed('libs/scim/src/d.ts', './index.js'),
  allowed('libs/scim/src/d.spec.ts', './d.js', 'vitest'),
  broken('tlog-imports-nothing-of-ours', 'libs/tlog/src/a.ts', 'node:fs'),
  broken('tlog-imports-nothing-of-ours', 'libs/tlog/src/b.ts', 'pg'),
  broken('tlog-imports-nothing-of-ours', 'libs/tlog/src/c.ts', '#scim'),
  allowed('libs/tlog/src/d.ts', './index.js', 'node:crypto'),
  allowed('libs/tlog/src/d.spec.ts', './d.js', 'node:http', 'vitest'),
  broken('mapping-imports-scim', 'libs/mapping/src/a.ts', 'node:crypto'),
  broken('mapping-imports-scim', 'libs/mapping/src/b.ts', '#contracts'),
  allowed('libs/mapping/src/d.ts', '#scim', './index.js'),
  allowed('libs/mapping/src/d.spec.ts', 'node:fs', 'vitest'),
  broken('contracts-import-scim', 'libs/contracts/src/a.ts', 'node:crypto'),
  broken('contracts-import-scim', 'libs/contracts/src/b.ts', 'pg'),
  broken('contracts-import-scim', 'libs/contracts/src/c.ts', '#runtime'),
  allowed('libs/contracts/src/d.ts', '#scim'),
  broken('store-imports-contracts', 'libs/event-store/src/a.ts', '#log'),
  broken('store-imports-contracts', 'libs/event-store/src/b.ts', '#runtime'),
  broken('store-imports-contracts', 'libs/event-store/src/c.ts', '#scim'),
  allowed('libs/event-store/src/d.ts', '#contracts', 'pg', 'node:crypto'),
  allowed('libs/event-store/src/d.int.spec.ts', './d.js', '#runtime', 'vitest'),
  broken('log-imports-contracts', 'libs/log/src/a.ts', '#event-store'),
  broken('log-imports-contracts', 'libs/log/src/b.ts', '#runtime'),
  broken('log-imports-contracts', 'libs/log/src/c.ts', '../../../apps/identity/src/user.queries.js'),
  allowed('libs/log/src/d.ts', '#contracts', 'pg', 'node:net'),
  allowed('libs/log/src/d.contract.ts', './d.js', 'vitest'),
  broken('runtime-imports-nothing-of-ours', 'libs/runtime/src/a.ts', '#contracts'),
  broken('runtime-imports-nothing-of-ours', 'libs/runtime/src/b.ts', '../../../apps/identity/src/user.queries.js'),
  allowed('libs/runtime/src/d.ts', 'pg', 'node:fs'),
  broken('auth-imports-runtime', 'libs/auth/src/a.ts', '#contracts'),
  broken('auth-imports-runtime', 'libs/auth/src/b.ts', '../../../apps/identity/src/user.queries.js'),
  allowed('libs/auth/src/d.ts', '#runtime', 'pg', 'node:crypto'),
  broken('host-imports-runtime', 'libs/host/src/a.ts', '#contracts'),
  broken('host-imports-runtime', 'libs/host/src/b.ts', '../../../apps/identity/src/user.queries.js'),
  allowed('libs/host/src/d.ts', '#runtime', 'pg', 'node:child_process'),
  broken('host-is-for-programs', 'apps/identity/src/n.queries.ts', '#host'),
  broken('host-is-for-programs', 'libs/owner/src/c.ts', '#host'),
  broken('owner-imports-no-app', 'libs/owner/src/a.ts', '../../../apps/identity/src/user.queries.js'),
  broken('owner-imports-no-app', 'libs/owner/src/b.ts', '#scim'),
  allowed('libs/owner/src/d.ts', '#contracts', '#event-store', '#log', '#runtime', '@nestjs/common'),
  allowed('apps/identity/src/a.owner.ts', '#owner', '#event-store'),
  broken('app-to-app-never', 'apps/gateway/src/a.queries.ts', '../../identity/src/user.queries.js'),
  broken('app-to-app-never', 'apps/identity/src/a.queries.ts', '../../muster/src/main.js'),
  allowed('apps/muster/src/a.module.ts', '../../identity/src/user.queries.js'),
  broken('pure-app-file', 'apps/identity/src/a.ts', 'pg'),
  broken('pure-app-file', 'apps/identity/src/b.ts', 'node:fs'),
  broken('pure-app-file', 'apps/identity/src/c.ts', '#event-store'),
  broken('pure-app-file', 'apps/identity/src/e.ts', '#runtime'),
  broken('pure-app-file', 'apps/identity/src/f.ts', './user.queries.js'),
  broken('pure-app-file', 'apps/identity/src/rules/g.ts', '../user.queries.js'),
  broken('pure-app-file', 'apps/new/src/a.ts', '@nestjs/common'),
  allowed('apps/identity/src/d.ts', '#contracts', '#mapping', '#scim', '#tlog', './user.js', 'node:crypto'),
  allowed(
    'apps/identity/src/d.queries.ts',
    './user.js',
    'pg',
    'node:fs',
    '#contracts',
    '#event-store',
    '#log',
    '#runtime',
    '#scim',
  ),
  broken('faces-hold-no-state', 'apps/gateway/src/b.queries.ts', '#event-store'),
  broken('faces-hold-no-state', 'apps/admin-api/src/tokens/b.sender.ts', '#event-store'),
  allowed('apps/gateway/src/c.module.ts', '#owner', '#log'),
  allowed('apps/muster/src/owners.ts', '#owner', '../../identity/src/user.queries.js'),
  broken('gateway-http-is-on-top', 'apps/gateway/src/read/a.queries.ts', '../http/scim.controller.js'),
  broken('gateway-http-is-on-top', 'apps/gateway/src/write/a.sender.ts', '../read/a.queries.js'),
  allowed('apps/gateway/src/http/a.controller.ts', '../read/a.queries.js', '../write/a.sender.js'),
  broken('cli-speaks-http', 'apps/cli/src/a.queries.ts', '#event-store'),
  broken('cli-speaks-http', 'apps/cli/src/b.queries.ts', 'pg'),
  allowed('apps/cli/src/main.ts', 'node:fs', 'commander'),
  allowed('apps/cli/src/commands/a.ts', 'node:fs', 'commander', '#mapping', '#tlog'),
  broken('witness-stands-alone', 'apps/witness/src/a.sender.ts', '#contracts'),
  allowed('apps/witness/src/b.sender.ts', 'node:fs', '#tlog', '#runtime'),
  broken('lib-through-its-index', 'apps/identity/src/e.queries.ts', '../../../libs/scim/src/filter.js'),
  broken('lib-through-its-index', 'libs/event-store/src/e.ts', '../../contracts/src/user.js'),
  broken('lib-through-its-index', 'test/e2e/a.ts', '../../libs/scim/src/filter.js'),
  broken('lib-by-its-name', 'apps/identity/src/f.queries.ts', '../../../libs/scim/src/index.js'),
  broken('lib-by-its-name', 'libs/event-store/src/f.ts', '../../contracts/src/index.js'),
  broken('kafkajs-in-one-folder', 'libs/log/src/e.ts', 'kafkajs'),
  broken('kafkajs-in-one-folder', 'apps/identity/src/g.queries.ts', 'kafkajs'),
  broken('kafkajs-in-one-folder', 'test/e2e/b.ts', 'kafkajs'),
  allowed('libs/log/src/kafka/a.ts', 'kafkajs'),
  broken('nothing-imports-test', 'apps/identity/src/h.queries.ts', '../../../test/support/a.js'),
  broken('nothing-imports-test', 'deploy/a.ts', '../test/support/a.js'),
  allowed(
    'test/support/a.ts',
    'vitest',
    '#runtime',
    '../../apps/identity/src/user.queries.js',
    '../../deploy/stack.js',
  ),
  broken('nothing-imports-deploy', 'apps/identity/src/i.queries.ts', '../../../deploy/stack.js'),
  broken('every-import-resolves', 'apps/identity/src/j.queries.ts', './nowhere.js'),
  broken('every-package-is-named', 'apps/identity/src/k.queries.ts', 'unnamed'),
  broken('no-tools-in-the-product', 'apps/identity/src/l.queries.ts', 'vitest'),
  allowed('deploy/stack.ts', '#host', '#runtime'),
  broken('no-cycles', 'libs/runtime/src/e.ts', './f.js'),
  broken('no-dead-files', 'apps/identity/src/m.ts'),
  broken('no-dead-files', 'libs/log/src/kafka/b.ts', './a.js'),
  allowed('apps/muster/src/server.ts', '#contracts', '#event-store', '#host', '#log', '#owner', '#runtime', '#scim'),
];

/** The rows import these files: the shape of the project. */
const FRAME: Readonly<Record<string, readonly string[]>> = {
  'apps/muster/src/main.ts': [],
  'apps/gateway/src/http/scim.controller.ts': [],
  'apps/identity/src/user.ts': [],
  'apps/identity/src/user.queries.ts': ['./user.js'],
  'libs/scim/src/index.ts': ['./filter.js'],
  'libs/scim/src/filter.ts': [],
  'libs/mapping/src/index.ts': [],
  'libs/contracts/src/index.ts': ['./user.js'],
  'libs/contracts/src/user.ts': [],
  'libs/event-store/src/index.ts': [],
  'libs/auth/src/index.ts': [],
  'libs/host/src/index.ts': [],
  'libs/log/src/index.ts': [],
  'libs/owner/src/index.ts': [],
  'libs/runtime/src/index.ts': [],
  'libs/tlog/src/index.ts': [],
  'libs/runtime/src/f.ts': ['./e.js'],
};
const PACKAGES = {
  dependencies: ['pg', 'kafkajs', '@nestjs/common', 'commander'],
  devDependencies: ['vitest'],
  neither: ['unnamed'],
};

const folder = mkdtempSync(join(tmpdir(), 'muster-imports-'));
let fired: { from: string; rule: string }[];

const write = (path: string, text: string): void => {
  mkdirSync(dirname(join(folder, path)), { recursive: true });
  writeFileSync(join(folder, path), text);
};

beforeAll(() => {
  const files = { ...FRAME, ...Object.fromEntries(ROWS.map(({ file, imports }) => [file, imports])) };
  for (const [file, imports] of Object.entries(files))
    write(file, `${imports.map((name) => `import '${name}';\n`).join('')}export const here = 1;\n`);
  for (const name of Object.values(PACKAGES).flat()) {
    write(`node_modules/${name}/package.json`, JSON.stringify({ name, version: '1.0.0', main: 'index.js' }));
    write(`node_modules/${name}/index.js`, '');
  }
  const versions = (names: readonly string[]): object => Object.fromEntries(names.map((name) => [name, '1.0.0']));
  const { type, imports } = require(resolve('package.json')) as { type: string; imports: object };
  const { dependencies, devDependencies } = PACKAGES;
  write(
    'package.json',
    JSON.stringify({ type, imports, dependencies: versions(dependencies), devDependencies: versions(devDependencies) }),
  );
  copyFileSync('tsconfig.json', join(folder, 'tsconfig.json'));
  // As `npm run lint` does.
  const { stdout, stderr } = spawnSync(
    resolve('node_modules/.bin/depcruise'),
    ['apps', 'libs', 'deploy', 'test', '--config', config, '--output-type', 'json'],
    { cwd: folder, encoding: 'utf8', maxBuffer: 50_000_000 },
  );
  if (!stdout) throw new Error(stderr);
  const { summary } = JSON.parse(stdout) as {
    summary: { violations: { from: string; to: string; type: string; rule: { name: string } }[] };
  };
  fired = summary.violations.map(({ from, to, type, rule }) => ({
    from: type === 'reachability' ? to : from,
    rule: rule.name,
  }));
}, 60_000);

afterAll(() => rmSync(folder, { recursive: true, force: true }));

it.each(
  ROWS.map(
    (row) =>
      [`${row.rule ?? 'nothing'} fires when ${row.file} imports ${row.imports.join(', ') || 'nothing'}`, row] as const,
  ),
)('%s', (_title, { rule, file }) => {
  // No main file leads to what the rows write, and only some rows are about that.
  const about = fired.filter(
    (violation) => violation.from === file && (violation.rule !== 'no-dead-files' || violation.rule === rule),
  );
  expect([...new Set(about.map((violation) => violation.rule))]).toEqual(rule === null ? [] : [rule]);
});

it('no rule lacks a file that breaks it', () => {
  expect([...new Set(ROWS.flatMap(({ rule }) => rule ?? []))].sort()).toEqual([...rules].sort());
});
