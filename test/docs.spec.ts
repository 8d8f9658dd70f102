import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { EVERYTHING, groupPrefixOf, userOf } from '#contracts';
import { ACCESS } from '../apps/muster/src/owners.js';
import { Config, SETTINGS } from '#runtime';
import { composeDocument } from './support/compose-document.js';
import { withGuides } from './support/guides.js';
import { DOCUMENTS, openApiDocument } from './support/openapi-document.js';
import { settingsDocument } from './support/settings-document.js';

/** `npm run docs` writes what this makes; without it the test compares. */
const configurationDocument = (): string => {
  const defaults = new Config() as unknown as Readonly<Record<string, string | number | undefined>>;
  const standard = (name: string): string => {
    const value = defaults[name];
    if (value === undefined) return '';
    return value === '' ? 'empty' : `\`${value}\``;
  };
  const row = ({ name, description, values, secret }: (typeof SETTINGS)[number]): string =>
    `| \`${name}\`${secret ? `, \`${name}_FILE\`` : ''} | ${values} | ${standard(name)} | ${description} |`;
  return `# Configuration

Made of \`libs/runtime/src/config.ts\` by \`npm run docs\`: change it there. Muster reads these environment variables once, when a process
starts; one that is empty counts as not set. A wrong value ends the start with one line that names it, and exit code 64. The unit of a number
is the end of its name.

A secret may lie in a file, which the variable with \`_FILE\` at its end names (\`MASTER_KEY_FILE=/run/secrets/master-key\`): other programs of the
same user see an environment, and so does \`docker inspect\`. One line end at the end of the file is not part of the secret.

| name | values | default | what it does |
|---|---|---|---|
${SETTINGS.map(row).join('\n')}

The command line (\`npm run cli\`) finds a running installation through \`DATA_DIR/runtime.json\`; \`MUSTER_URL\` and \`MUSTER_API_KEY\` lead it to
another one.

${settingsDocument()}`;
};

it('every setting has a description', () => {
  const declared = Object.keys(new Config());
  expect(declared.length).toBeGreaterThan(10);
  expect(declared.filter((name) => !SETTINGS.some((setting) => setting.name === name))).toEqual([]);
  for (const { name, description } of SETTINGS) expect(description, name).toMatch(/^\S.+\.$/);
});

it('docs/configuration.md says what config.ts says: npm run docs makes it', async () => {
  await expect(configurationDocument()).toMatchFileSnapshot('../docs/configuration.md');
});

const accessDocument = (): string => {
  const named = (topics: readonly string[]): string => topics.map((topic) => `\`${topic}\``).join(', ');
  const rows = [...ACCESS]
    .filter(([service]) => service !== EVERYTHING)
    .map(([service, { read, write, make }]) => {
      return `| \`${userOf(service)}\` | ${named(read)} | ${named(write)} | ${named(make)} | \`${groupPrefixOf(service)}\` |`;
    });
  return `# What each service is allowed at Kafka

Made by \`npm run docs\` of what owners and faces say of themselves (\`apps/muster/src/owners.ts\`,
\`libs/contracts/src/access.ts\`). \`npm run stack\` and \`docker-compose.yml\` set exactly this; at a broker of your own, allow it to the users that you give the services as \`KAFKA_SASL_USERNAME\`, and nothing to anybody else
(\`docs/decisions/0008-who-may-say-what-on-kafka.md\`). Read and Write let see that a topic is there (Describe), too.

| user | Read on topics | Write on topics | Create on topics | Read on groups with the prefix |
|---|---|---|---|---|
${rows.join('\n')}

The names of topics are literal, with \`KAFKA_TOPIC_SUFFIX\` behind each. Create is not needed where an administrator has made the topics: 12 partitions,
\`max.message.bytes\` 16777216, \`retention.ms\` of 7 days, and a \`message.max.bytes\` of the brokers that is as large.
All in one process over Kafka (\`npm start\` with \`KAFKA_BROKERS\`) is one user, with all of this and groups with the prefix \`${groupPrefixOf(EVERYTHING)}\`.
`;
};

it('docs/kafka-access.md says what access.ts says: npm run docs makes it', async () => {
  await expect(accessDocument()).toMatchFileSnapshot('../docs/kafka-access.md');
});

it('docker-compose.yml has a service, its passwords and its secrets for each owner and face: npm run docs makes them', async () => {
  await expect(composeDocument(readFileSync('docker-compose.yml', 'utf8'))).toMatchFileSnapshot(
    '../docker-compose.yml',
  );
});

it.each(DOCUMENTS)(
  '$document says what the routes of the $title take and answer: npm run docs makes it',
  async (api) => {
    await expect(`${JSON.stringify(await openApiDocument(api), null, 2)}\n`).toMatchFileSnapshot(`../${api.document}`);
  },
);

it('the README has the guides of Microsoft Entra ID and Okta: npm run docs writes them', async () => {
  const readme = readFileSync('README.md', 'utf8');
  expect(readme.match(/^## Connect (?:Microsoft Entra ID|Okta)\n\n<!-- guide: (?:entra|okta) -->$/gm)).toHaveLength(2);
  await expect(withGuides(readme)).toMatchFileSnapshot('../README.md');
});
