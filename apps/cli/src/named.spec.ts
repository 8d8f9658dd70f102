import { expect, it } from 'vitest';
import { onlyOne } from './named.sender.js';

const ROWS = [
  { id: '1', name: 'Contoso' },
  { id: '2', name: 'Fabrikam' },
  { id: '3', name: 'fabrikam ' },
];

it('finds the only one of a name, whatever its case', () => {
  expect(onlyOne('tenant', ' CONTOSO', ROWS).id).toBe('1');
});

it('lists those of the same name, with their ids', () => {
  expect(() => onlyOne('tenant', 'Fabrikam', ROWS)).toThrow(
    /^There are 2 of the name "Fabrikam"; give the id of one:\n {2}2 {2}Fabrikam\n {2}3 {2}fabrikam $/,
  );
});

it('lists what there is when there is none of the name, and not all of many', () => {
  expect(() => onlyOne('tenant', 'x', ROWS)).toThrow(/^There is no tenant "x"\. There are:\n {2}1 {2}Contoso\n/);
  expect(() => onlyOne('tenant', 'x', [])).toThrow(/^There is no tenant "x"\.$/);
  const many = Array.from({ length: 25 }, (_, index) => ({ id: String(index), name: `T${index}` }));
  expect(() => onlyOne('tenant', 'x', many)).toThrow(/9 {2}T9\n {2}and 15 more$/);
});
