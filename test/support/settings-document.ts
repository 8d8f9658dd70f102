import { directorySettings, SETTING_TYPES } from '#contracts';

/** The part of docs/configuration.md that says which settings a directory has. */
export const settingsDocument = (): string => `## Settings of a directory

Made of \`libs/contracts/src/directory-settings.ts\`. An administrator changes them while Muster runs, for each directory:
\`npm run -s cli -- directory set <id> --offer-existing-users on\`, or \`PATCH /api/admin/directories/<id>\` with
\`{"offerExistingUsers": true}\`. A change is in force within a second.

| name | values | default | what it does | read by |
|---|---|---|---|---|
${directorySettings()
  .map(
    ([name, setting]) =>
      `| \`${name}\` | ${SETTING_TYPES[setting.type].values} | \`${setting.default}\` | ${setting.description} | ${setting.readBy.join(', ')} |`,
  )
  .join('\n')}
`;
