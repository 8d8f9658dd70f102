import { expect, it } from 'vitest';
import { settingsOf, settingWarnings } from './directory-settings.js';

it('what the userName is and the claim that is compared with it warn of each other', () => {
  const warnings = (settings: Parameters<typeof settingsOf>[0]): readonly string[] =>
    settingWarnings(settingsOf(settings));
  expect(warnings({})).toEqual([]);
  expect(warnings({ upnClaim: 'preferred_username' })).toEqual([]);
  expect(warnings({ userNameSource: 'other' })).toEqual([expect.stringMatching(/^userNameSource .* upnClaim/)]);
  expect(warnings({ upnClaim: 'oid' })).toEqual([expect.stringMatching(/^upnClaim .* userNameSource/)]);
  expect(warnings({ userNameSource: 'other', upnClaim: 'oid' })).toEqual([]);
});

it('settings that contradict each other are told by a sentence; those that do not are not', () => {
  const contradiction = {
    between: ['offerExistingUsers', 'emailIsLoginName'],
    isThere: ({ offerExistingUsers, emailIsLoginName }: ReturnType<typeof settingsOf>) =>
      offerExistingUsers && emailIsLoginName,
    warning: 'offerExistingUsers and emailIsLoginName are both on.',
  } as const;
  expect(settingWarnings(settingsOf({ offerExistingUsers: true }), [contradiction])).toEqual([]);
  expect(settingWarnings(settingsOf({ offerExistingUsers: true, emailIsLoginName: true }), [contradiction])).toEqual([
    'offerExistingUsers and emailIsLoginName are both on.',
  ]);
});
