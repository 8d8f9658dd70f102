import { expect, it } from 'vitest';
import { directorySettings, settingsOf, type DirectorySettings } from '#contracts';
import type { DirectoryView } from '../admin-views.js';
import { settingsForCases } from './scratch.sender.js';

/**
 * The settings whose values are free texts, which may name something of the directory: they have a value here that is not
 * their default, and the word says whether a check takes it over.
 */
const FREE: { readonly [name: string]: readonly ['taken over' | 'left out', unknown] } = {
  upnClaim: ['taken over', 'email'],
  scope: ['left out', 'title eq "Sales"'],
  requiredAttributes: ['left out', ['title']],
  attributeMapping: ['taken over', [{ target: 'title', expression: '[jobTitle]' }]],
  entraTenantId: ['left out', 'b3f1a6de-5b0c-4f6e-9d3b-0c8f1e2a7d94'],
  localAttributes: ['taken over', ['title']],
  groupRoles: ['left out', { 'b3f1a6de-5b0c-4f6e-9d3b-0c8f1e2a7d94': 'Admin' }],
};

it('of each setting that may name something of a directory, it is decided whether a check takes it over', () => {
  const isClosed = (type: string): boolean => ['boolean', 'choice', 'number'].includes(type);
  expect(Object.keys(FREE)).toEqual(directorySettings().flatMap(([name, { type }]) => (isClosed(type) ? [] : [name])));
});

it('cases run under the settings of the directory, but for those that say whom it takes, or name something of its own', () => {
  const settings = settingsOf({
    ...Object.fromEntries(Object.entries(FREE).map(([name, [, value]]) => [name, value])),
    createUsers: false,
    refusal: 'quiet',
  } as Partial<DirectorySettings>);
  const leftOut = Object.entries(FREE).flatMap(([name, [word]]) => (word === 'left out' ? [[name, null]] : []));
  expect(settingsForCases({ settings } as DirectoryView)).toEqual({ ...settings, ...Object.fromEntries(leftOut) });
});
