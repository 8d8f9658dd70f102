import { describe, expect, it } from 'vitest';
import { DIRECTORY_KINDS, settingsOf } from '#contracts';
import { guided } from '../../../../test/support/guides.js';
import { guideDocument, guideOf } from './guide.js';

describe.each(DIRECTORY_KINDS)('the guide of the kind %s', (kind) => {
  const directory = guided(kind);
  const guide = guideOf(directory);

  it('has the addresses of the directory, and the redirect URIs in the order of the form', () => {
    expect(guide).toContain(`\`${directory.scimBaseUrl}`);
    const { publicClient, web } = directory.redirectUris;
    expect(guide.indexOf(`\`${publicClient}\``)).toBeGreaterThan(0);
    expect(guide.indexOf(`\`${web}\``)).toBeGreaterThan(guide.indexOf(`\`${publicClient}\``));
  });

  it('says where the token is shown, and holds none', () => {
    expect(guide).toContain('directory show <id>');
    expect(guide).not.toMatch(/muster_/);
  });

  it('numbers its steps, and leaves no gap', () => {
    const steps = [...guide.matchAll(/^(\d+)\. /gm)].map(([, number]) => Number(number));
    expect(steps.length).toBeGreaterThan(4);
    expect(steps).toEqual(steps.map((_, index) => index + 1));
  });
});

it('each identity provider tells of failures itself: the guide says where that is switched on', () => {
  expect(guideOf(guided('entra'))).toContain('*Send an email notification when a failure occurs*');
  expect(guideOf(guided('okta'))).toMatch(/\*\*Failures\.\*\*.*\n.*Admin Email Notifications/);
});

it('Entra is told to send the object id before the directory takes the externalId for the id of a person', () => {
  const isSet = (externalIdIsProviderId: boolean): string =>
    guideOf(guided('entra', { settings: { ...settingsOf({}), externalIdIsProviderId } }));
  expect(isSet(false)).toMatch(/`objectId` as its \*Source attribute\*.*--external-id-is-provider-id on/s);
  expect(isSet(true)).not.toContain('--external-id-is-provider-id');
});

it('a name is no Markdown', () => {
  const [headline] = guideDocument(guided('scim', { name: 'A\n# [x](http://y) `z`' })).split('\n');
  expect(headline).toBe(String.raw`# Connect A \# \[x\]\(http://y\) \`z\``);
});

it('a directory that asks for attributes says which', () => {
  expect(guideOf(guided('strict'))).toContain(
    'Of each user send `name.givenName`, `name.familyName` and `emails[type eq "work"].value`: without them',
  );
  const settings = settingsOf({ requiredAttributes: ['title'] });
  expect(guideOf(guided('scim', { settings }))).toContain('Of each user send `title`: without');
  expect(guideOf(guided('scim'))).not.toContain('Of each user send');
});
