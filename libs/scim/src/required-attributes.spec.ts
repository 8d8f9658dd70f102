import { describe, expect, it } from 'vitest';
import { isRejection, orRejection } from './error.js';
import { parseRequired } from './required-attributes.js';
import { ENTERPRISE_USER_URN as E, USER, USER_URN } from './schema.js';
import type { Resource } from './resource.js';

const ADA: Resource = {
  userName: 'ada',
  name: { givenName: 'Ada', familyName: ' ' },
  title: '',
  active: false,
  emails: [
    { type: 'home', value: 'ada@home' },
    { type: 'Work', display: 'none' },
  ],
  phoneNumbers: [{ type: 'work', value: '1' }],
  [E]: { department: 'Engines', manager: { value: '7' } },
};

describe('an attribute that is asked for', () => {
  it.each([
    ['name.givenName', true],
    ['NAME.givenname', true],
    [`${USER_URN}:name.givenName`, true],
    ['name', true],
    ['active', true],
    ['emails', true],
    ['emails.value', true],
    ['emails[type eq "home"].value', true],
    ['emails[type eq "work"]', true],
    ['phoneNumbers[type eq "work"].value', true],
    [`${E}:department`, true],
    ['department', true],
    ['manager', true],
    ['name.familyName', false],
    ['name.middleName', false],
    ['title', false],
    ['nickName', false],
    ['emails[type eq "work"].value', false],
    ['emails[type eq "other"]', false],
    [`${E}:costCenter`, false],
  ])('%s is there: %s', (path, isThere) => {
    expect(parseRequired(USER, path).isThere(ADA)).toBe(isThere);
  });

  it.each([
    ['givenNam', /^"givenNam" cannot be asked for: there is no such attribute/],
    ['title pr or userName', /there is no such attribute/],
    ['emails[type eq].value', /Expected a value/],
    ['emails[type eq "work"].valu', /there is no such attribute/],
    ['id', /no identity provider writes it/],
    ['groups', /no identity provider writes it/],
    ['meta.created', /no identity provider writes it/],
    ['password', /no identity provider writes it/],
    ['schemas', /no identity provider writes it/],
    [`emails[${Array(6).fill('value pr').join(' or ')}]`, /more than 5 comparisons/],
  ])('%s cannot be asked for', (path, why) => {
    const refused = orRejection(() => parseRequired(USER, path));
    if (!isRejection(refused)) throw new Error(`${path} was taken`);
    expect(refused).toMatchObject({ code: 'invalidValue', detail: expect.stringMatching(why) });
  });

  it('is named by its canonical path', () => {
    expect(parseRequired(USER, ' Name.GIVENNAME ').path).toBe('name.givenName');
    expect(parseRequired(USER, 'department').path).toBe(`${E}:department`);
  });
});
