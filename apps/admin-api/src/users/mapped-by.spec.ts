import { expect, it } from 'vitest';
import { USER_EVENT_TYPES, type UserEvent } from '#contracts';
import { mappedBy, type MappingEvent } from './mapped-by.js';

const DIRECTORY = '0197-entra';
const event = (
  type: UserEvent['type'],
  directoryVersion: number,
  data: Omit<MappingEvent['data'], 'directoryVersion'> = {},
): MappingEvent => ({ type: USER_EVENT_TYPES[type], directory: DIRECTORY, data: { directoryVersion, ...data } });
/** `displayName:1` = line 1 wrote displayName. */
const mapped = (directoryVersion: number, ...lines: readonly string[]): MappingEvent =>
  event('AttributesMapped', directoryVersion, {
    mapped: lines.map((text) => ({ target: text.split(':')[0]!, line: Number(text.split(':')[1]) })),
  });
const changed = (directoryVersion: number, ...attributes: readonly string[]): MappingEvent =>
  event('UserChanged', directoryVersion, { attributes });

interface Case {
  readonly given: readonly MappingEvent[];
  /** `displayName:1@2` = under version 2 of the directory. */
  readonly last: readonly string[];
  readonly once?: readonly string[];
}
it.each(
  Object.entries<Case>({
    'a user that no mapping wrote has no lines': { given: [event('UserCreated', 2)], last: [] },
    'each attribute has the line that the event names': {
      given: [event('UserCreated', 2), mapped(2, 'displayName:1', 'title:3')],
      last: ['displayName:1@2', 'title:3@2'],
    },
    'a later change was written by the lines as they are then, though they are the same ones': {
      given: [mapped(2, 'displayName:1'), changed(5, 'displayName')],
      last: ['displayName:1@5'],
    },
    'a line that writes on create only keeps its version, until its attribute changes': {
      given: [mapped(2, 'displayName:1', 'name.givenName:2'), changed(5, 'displayName'), mapped(5, 'displayName:1')],
      last: ['displayName:1@5'],
      once: ['name.givenName:2@2'],
    },
    'what the identity provider changed since was written by no line': {
      given: [
        mapped(2, 'displayName:1', 'name.givenName:2'),
        changed(2, 'displayName'),
        mapped(2, 'displayName:1'),
        changed(6, 'name'),
      ],
      last: ['displayName:1@6'],
    },
    'a name that begins like another one is another one': {
      given: [mapped(2, 'title:1', 'titleOfCourtesy:2'), changed(2, 'title'), mapped(2, 'title:1')],
      last: ['title:1@2'],
      once: ['titleOfCourtesy:2@2'],
    },
    'a directory that maps no more has written all of it itself': {
      given: [mapped(2, 'displayName:1'), changed(3, 'displayName'), mapped(3)],
      last: [],
    },
    'nobody maps a user whom no directory manages': {
      given: [mapped(2, 'displayName:1'), event('UserUnlinked', 2)],
      last: [],
    },
  }),
)('%s', (_rule, { given, last, once = [] }) => {
  const found = mappedBy(given);
  const texts = (lines: typeof found.last): string[] =>
    lines.map(({ target, line, directoryVersion }) => `${target}:${line}@${directoryVersion}`);
  expect({ last: texts(found.last), once: texts(found.once) }).toEqual({ last, once });
});
