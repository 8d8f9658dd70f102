import { expect, it } from 'vitest';
import { MAX_READ_MS, readMs } from '../../../../test/support/cpu-time.js';
import { IgnoredAttributes } from './ignored-attributes.job.js';

const told: object[] = [];
const counting = (): IgnoredAttributes => new IgnoredAttributes({ info: (facts) => told.push(facts) });

it('counts by directory and name, and begins anew when it was asked', () => {
  const ignored = counting();
  ignored.count('d1', ['colour', 'colour']);
  ignored.count('d1', ['urn:x:User:badge']);
  ignored.count('d2', ['colour']);
  ignored.count('d3', []);
  expect(ignored.take()).toEqual([
    { directory: 'd1', attributes: { colour: 2, 'urn:x:User:badge': 1 } },
    { directory: 'd2', attributes: { colour: 1 } },
  ]);
  expect(ignored.take()).toEqual([]);
});

it('keeps no values: not those in the filter of a path', () => {
  const ignored = counting();
  ignored.count('d', ['pets[name eq "Rex]"].value', 'pets[name eq "Tom"].value']);
  expect(ignored.take()).toEqual([{ directory: 'd', attributes: { 'pets[].value': 2 } }]);
});

it('has limits: 50 names of a directory, each of 100 characters', () => {
  const ignored = counting();
  ignored.count(
    'd',
    Array.from({ length: 60 }, (_, index) => `n${index}`),
  );
  ignored.count('d', ['n1', `${'x'.repeat(99)}😀`]);
  const [{ attributes } = { attributes: {} }] = ignored.take();
  expect(attributes).toMatchObject({ n0: 1, n1: 2, '…': 11 });
  expect(Object.keys(attributes)).toHaveLength(51);
  ignored.count('d', [`${'x'.repeat(99)}😀`]);
  expect(Object.keys(ignored.take()[0]!.attributes)).toEqual([`${'x'.repeat(99)}\ufffd`]);
});

it('tells what is left when the application stops', () => {
  const ignored = counting();
  ignored.onApplicationBootstrap();
  ignored.count('d', ['colour']);
  ignored.beforeApplicationShutdown();
  expect(told).toEqual([{ directory: 'd', attributes: { colour: 1 } }]);
});

it.each(['[', ']', '[]', '][', '[a', 'a.', '\ud800', 'urn:'])(
  'counts within 50 ms a name of a megabyte that says %j all the time',
  (piece) => {
    const name = piece.repeat(1_048_576 / piece.length);
    expect(readMs(() => counting().count('d', [name, `${name}]`, `[${name}`]))).toBeLessThanOrEqual(MAX_READ_MS);
  },
);
