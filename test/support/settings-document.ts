import { directorySettings, valuesOf } from '#contracts';

/** The part of docs/configuration.md that says which settings a directory has. */
export const settingsDocument = (): string => `## Settings of a directory

Made of \`libs/contracts/src/directory-settings.ts\`. An administrator changes them while Muster runs, for each directory:
\`npm run -s cli -- directory set <id> --offer-existing-users on\`, or \`PATCH /api/admin/v1/directories/<id>\` with
\`{"offerExistingUsers": true}\`. A change is in force within a second. The value \`null\`, or
\`--reset <name>\`, is the way back to the default. A kind of directory has some that differ from the defaults: they are set when the
directory is made.

| name | values | default | what it does | read by |
|---|---|---|---|---|
${directorySettings()
  .map(
    ([name, setting]) =>
      `| \`${name}\` | ${valuesOf(setting)} | \`${JSON.stringify(setting.default)}\` | ${setting.description} | ${setting.readBy.join(', ')} |`,
  )
  .join('\n')}
`;
