import { expect, it } from 'vitest';
import { upcaster, type Step } from './upcast.js';

const upcast = upcaster({ UserDeactivated: 'muster.user.deactivated.v1' });

it('passes the newest version on', () => {
  expect(upcast('muster.user.deactivated.v1', { directory: 'd', directoryVersion: 2 })).toEqual({
    type: 'UserDeactivated',
    directory: 'd',
    directoryVersion: 2,
  });
});

it('takes an old version through every step to the newest one', () => {
  const walk = upcaster(
    { ThingNamed: 'thing.named.v3' },
    new Map<string, Step>([
      ['thing.named.v1', { to: 'thing.named.v2', change: ({ name, ...rest }) => ({ ...rest, names: [name] }) }],
      ['thing.named.v2', { to: 'thing.named.v3', change: (shape) => ({ ...shape, language: null }) }],
    ]),
  );
  expect(walk('thing.named.v1', { name: 'a', size: 1 })).toEqual({
    type: 'ThingNamed',
    names: ['a'],
    language: null,
    size: 1,
  });
  expect(walk('thing.named.v2', { names: ['a'] })).toEqual({ type: 'ThingNamed', names: ['a'], language: null });
  expect(walk('thing.named.v3', { names: [], language: 'de' })).toEqual({
    type: 'ThingNamed',
    names: [],
    language: 'de',
  });
});

it.each(['muster.user.deactivated.v2', 'muster.user.forgotten.v1', 'constructor'])(
  'names the type that it does not know: %s',
  (wire) => {
    expect(() => upcast(wire, {})).toThrow(`unknown event type ${wire}`);
  },
);
