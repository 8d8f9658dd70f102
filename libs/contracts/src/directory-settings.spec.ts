import { expect, it } from 'vitest';
import { settingsOf, settingWarnings } from './directory-settings.js';

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
