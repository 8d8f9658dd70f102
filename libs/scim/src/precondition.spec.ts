import { expect, it } from 'vitest';
import { preconditionFailed } from './precondition.js';

type Conditions = Parameters<typeof preconditionFailed>[1];

it.each(
  Object.entries<Conditions>({
    'without a condition': { ifMatch: null },
    'whose If-Match names the version': { ifMatch: [2, 3] },
    'whose If-None-Match names others': { ifMatch: null, ifNoneMatch: [2, 4] },
    'whose conditions both hold': { ifMatch: [3], ifNoneMatch: [2] },
  }),
)('a write to version 3 %s is carried out', (_rule, when) => {
  expect(preconditionFailed('user', when, 3)).toBeNull();
});

it.each(
  Object.entries<{ when: Conditions; because: RegExp }>({
    'whose If-Match names others': { when: { ifMatch: [2, 4] }, because: /^The user has changed .* W\/"3"\.$/ },
    'whose If-Match names none': { when: { ifMatch: [] }, because: /^The user has changed / },
    'whose If-None-Match names the version': {
      when: { ifMatch: null, ifNoneMatch: [2, 3] },
      because: /such a user, its version is W\/"3", .* leave that header out/,
    },
    'whose If-None-Match is *': { when: { ifMatch: null, ifNoneMatch: '*' }, because: /If-None-Match asks for none/ },
    'whose If-None-Match alone fails': { when: { ifMatch: [3], ifNoneMatch: '*' }, because: /If-None-Match/ },
  }),
)('a write to version 3 %s is refused', (_rule, { when, because }) => {
  expect(preconditionFailed('user', when, 3)).toMatchObject({
    code: 'preconditionFailed',
    detail: expect.stringMatching(because),
  });
});
