import { expect, it } from 'vitest';
import { Config, SETTINGS } from '#runtime';

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
`;
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
