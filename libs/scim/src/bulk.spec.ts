import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { finished } from '../../../test/support/finished.js';
import { orderBulk } from './bulk-order.js';
import {
  MAX_BULK_REFERENCES,
  parseBulk as parseSlowly,
  resolveBulk,
  splitBulk,
  type BulkOperation,
  type BulkRequest,
  type BulkWrite,
} from './bulk.js';
import { Rejected } from './error.js';
import { parsePatch } from './patch.js';
import { ENTERPRISE_USER_URN as E, GROUP, USER } from './schema.js';

const parseBulk = (body: unknown, maxOperations: number): BulkRequest => finished(parseSlowly(body, maxOperations));
const parse = (...operations: unknown[]): readonly BulkOperation[] =>
  parseBulk({ Operations: operations }, 1_000).operations;
const rejection = (act: () => unknown): Rejected => {
  try {
    act();
  } catch (error) {
    if (error instanceof Rejected) return error;
    throw error;
  }
  throw new Error('was not rejected');
};
const fault = (operation: unknown): Rejected => {
  const [{ write }] = parse(operation) as [BulkOperation];
  expect(write).toBeInstanceOf(Rejected);
  return write as Rejected;
};
const writeOf = ({ write }: BulkOperation): BulkWrite => {
  if (write instanceof Rejected) throw write;
  return write;
};
const user = (bulkId: string, data: object = {}): object => ({
  method: 'POST',
  path: '/Users',
  bulkId,
  data: { userName: bulkId, ...data },
});
const group = (bulkId: string, ...members: string[]): object => ({
  method: 'POST',
  path: '/Groups',
  bulkId,
  data: { displayName: bulkId, members: members.map((value) => ({ value })) },
});
const patch = (path: string, value: unknown = 'x'): object => ({
  method: 'PATCH',
  path,
  data: { Operations: [{ op: 'add', path: 'members', value }] },
});
const ordered = (operations: readonly BulkOperation[], maxTogether = 1): number[][] =>
  orderBulk(operations, maxTogether).map((step) => step.operations.map(({ index }) => index));
const order = (...operations: unknown[]): number[] => ordered(parse(...operations)).flat();

describe('a bulk request', () => {
  it('is read with names of fields and methods in any case', () => {
    const { failOnErrors, operations } = parseBulk(
      {
        schemas: ['urn:ietf:params:scim:api:messages:2.0:BulkRequest'],
        failOnErrors: 2,
        operations: [{ Method: 'post', Path: '/Users', BULKID: 'a', data: { userName: 'ada' } }],
      },
      1,
    );
    expect(failOnErrors).toBe(2);
    expect(operations).toEqual([
      {
        index: 0,
        method: 'POST',
        bulkId: 'a',
        place: { definition: USER, target: null },
        write: {
          method: 'POST',
          definition: USER,
          target: null,
          version: undefined,
          data: { userName: 'ada' },
          mentions: new Set(),
        },
      },
    ]);
  });

  it.each([
    ['no object', [], 'invalidSyntax'],
    ['no Operations', {}, 'invalidSyntax'],
    ['Operations that are no list', { Operations: {} }, 'invalidSyntax'],
    ['no operation', { Operations: [] }, 'invalidSyntax'],
    ['failOnErrors that is no number', { Operations: [{}], failOnErrors: '1' }, 'invalidValue'],
    ['failOnErrors below 0', { Operations: [{}], failOnErrors: -1 }, 'invalidValue'],
    ['half an error', { Operations: [{}], failOnErrors: 1.5 }, 'invalidValue'],
    ['schemas that are no list', { Operations: [{}], schemas: 'x' }, 'invalidValue'],
  ])('is refused as a whole for %s', (_title, body, code) => {
    expect(rejection(() => parseBulk(body, 10)).code).toBe(code);
  });

  it('may refer to bulkIds as often as a group may have members, and no oftener', () => {
    const naming =
      (count: number, ...others: object[]): (() => unknown) =>
      () =>
        parse(user('a'), group('g', ...Array.from({ length: count }, () => 'bulkId:a')), ...others);
    expect(naming(MAX_BULK_REFERENCES)).not.toThrow();
    for (const one of [
      naming(MAX_BULK_REFERENCES + 1),
      naming(MAX_BULK_REFERENCES, patch('/Groups/g', 'bulkId:a')),
      naming(MAX_BULK_REFERENCES, patch('/Groups/bulkId:g')),
    ]) {
      expect(rejection(one)).toMatchObject({
        code: 'tooLarge',
        detail: 'The bulk request refers to bulkIds more than 20000 times: send several.',
      });
    }
    const path = `members[${Array.from({ length: 100 }, () => 'value eq "bulkId:a"').join(' or ')}]`;
    const removing = {
      method: 'PATCH',
      path: '/Groups/g',
      data: { Operations: Array.from({ length: MAX_BULK_REFERENCES / 100 + 1 }, () => ({ op: 'remove', path })) },
    };
    expect(rejection(() => parse(user('a'), removing)).code).toBe('tooLarge');
  });

  it('above the limit is refused with its number', () => {
    const { code, detail } = rejection(() => parseBulk({ Operations: [{}, {}, {}] }, 2));
    expect([code, detail]).toEqual([
      'tooLarge',
      expect.stringContaining('3 operations, which exceeds maxOperations (2)'),
    ]);
    expect(parseBulk({ Operations: [{}, {}] }, 2).operations).toHaveLength(2);
  });

  it('that accepts no error ends at the first, like one that says 1; one that says nothing does not end', () => {
    expect(
      [0, 1, 7, null, undefined].map((failOnErrors) => parseBulk({ failOnErrors, Operations: [{}] }, 1).failOnErrors),
    ).toEqual([1, 1, 7, null, null]);
  });
});

describe('one operation', () => {
  it.each(
    Object.entries<{ when: unknown; then: string; because: string | RegExp }>({
      'that is no object': { when: 7, then: 'invalidSyntax', because: 'Operation 1' },
      'without a method': { when: { path: '/Users' }, then: 'invalidSyntax', because: 'POST, PUT, PATCH, DELETE' },
      'with another method': {
        when: { method: 'GET', path: '/Users/1' },
        then: 'invalidSyntax',
        because: 'POST, PUT, PATCH, DELETE',
      },
      'without a path': { when: { method: 'DELETE' }, then: 'invalidValue', because: 'path' },
      'that is a bulk request': {
        when: { method: 'POST', path: '/Bulk', bulkId: 'a', data: {} },
        then: 'invalidValue',
        because: 'another',
      },
      'for Me': { when: { method: 'PATCH', path: '/Me', data: {} }, then: 'notImplemented', because: '/Me' },
      'for what cannot be written': {
        when: { method: 'DELETE', path: '/Schemas/x' },
        then: 'methodNotAllowed',
        because: '/Schemas/x',
      },
      'for what there is not': {
        when: { method: 'DELETE', path: '/Printers/1' },
        then: 'notFound',
        because: '/Printers/1',
      },
      'for a part of a resource': {
        when: { method: 'DELETE', path: '/Users/1/emails' },
        then: 'notFound',
        because: '/Users/1/emails',
      },
      'with a POST to one resource': {
        when: { method: 'POST', path: '/Users/1', bulkId: 'a', data: {} },
        then: 'methodNotAllowed',
        because: '/Users',
      },
      'with a DELETE of all': {
        when: { method: 'DELETE', path: '/Users' },
        then: 'methodNotAllowed',
        because: '/Users/<id>',
      },
      'with a POST without bulkId': {
        when: { method: 'POST', path: '/Users', data: {} },
        then: 'invalidValue',
        because: 'bulkId',
      },
      'with an empty bulkId': {
        when: { method: 'POST', path: '/Users', bulkId: '', data: {} },
        then: 'invalidValue',
        because: 'bulkId',
      },
      'with a bulkId that is no text': {
        when: { method: 'POST', path: '/Users', bulkId: 7, data: {} },
        then: 'invalidValue',
        because: 'bulkId',
      },
      'with a version that is no text': {
        when: { method: 'DELETE', path: '/Users/1', version: 7 },
        then: 'invalidValue',
        because: 'version',
      },
      'with a POST without data': {
        when: { method: 'POST', path: '/Users', bulkId: 'a' },
        then: 'invalidSyntax',
        because: 'data',
      },
      'with a PUT with a list as data': {
        when: { method: 'PUT', path: '/Users/1', data: [] },
        then: 'invalidSyntax',
        because: 'data',
      },
      'with a path that refers to nothing': {
        when: { method: 'DELETE', path: '/Users/bulkId:nobody' },
        then: 'invalidValue',
        because: 'nobody',
      },
      'with data that refers to nothing': {
        when: group('a', 'bulkId:nobody'),
        then: 'invalidValue',
        because: 'nobody',
      },
    }),
  )('%s has its own error', (_title, { when: operation, then: code, because }) => {
    expect(fault(operation)).toMatchObject({ code, detail: expect.stringMatching(because) });
    expect(writeOf(parse(operation, user('b'))[1]!).data).toEqual({ userName: 'b' });
  });

  it.each([
    ['/Users/1', '1'],
    ['Users/1', '1'],
    ['/Users/1/', '1'],
    ['/Users/1?attributes=id', '1'],
    ['/Users/bulkId%3Aa', 'bulkId:a'],
    ['/Users/%zz', '%zz'],
  ])('reads the path %s', (path, target) => {
    expect(writeOf(parse({ method: 'DELETE', path }, user('a'))[0]!)).toMatchObject({ definition: USER, target });
  });

  it('that shares its bulkId with another one is not carried out, nor is the other: a reference could mean either', () => {
    const operations = parse(user('a'), user('a'), group('g', 'bulkId:a'), {
      method: 'DELETE',
      path: '/Users/1',
      bulkId: 'a',
    });
    expect(operations.map(({ write }) => (write instanceof Rejected ? write.code : 'sound'))).toEqual([
      'invalidValue',
      'invalidValue',
      'sound',
      'sound',
    ]);
  });

  it('may hold the operations of a PATCH without what is around them, as the example of §3.7.3 does', () => {
    const operations = [{ op: 'remove', path: 'nickName' }];
    expect(writeOf(parse({ method: 'PATCH', path: '/Users/1', data: operations })[0]!).data).toEqual({
      Operations: operations,
    });
  });

  it('has no read-only attributes, which would be ignored anyway: a reference in them makes no circle', () => {
    const operations = parse(
      user('a', { id: 'x', password: 'p', groups: [{ value: 'bulkId:g' }], nickName: 'n' }),
      group('g', 'bulkId:a'),
    );
    expect(writeOf(operations[0]!).data).toEqual({ userName: 'a', nickName: 'n' });
    expect(ordered(operations)).toEqual([[0], [1]]);
  });
});

describe('the order', () => {
  it('is that of the request', () => {
    expect(
      order(user('a'), patch('/Groups/1'), { method: 'DELETE', path: '/Users/1' }, group('g', 'bulkId:a')),
    ).toEqual([0, 1, 2, 3]);
  });

  it('has a POST before whoever refers to it, and nothing else changes its place', () => {
    expect(
      order(
        group('g', 'bulkId:a', 'bulkId:b'),
        user('a'),
        { method: 'DELETE', path: '/Users/1' },
        user('b', { [E]: { manager: { value: 'bulkId:a' } } }),
        user('c'),
      ),
    ).toEqual([1, 2, 3, 0, 4]);
    expect(order({ method: 'DELETE', path: '/Users/bulkId:a' }, user('b'), user('a'))).toEqual([1, 2, 0]);
  });

  it('keeps later writes of a resource behind one that has to wait', () => {
    expect(order(patch('/Groups/g', 'bulkId:a'), patch('/Groups/G'), patch('/Groups/h'), user('a'))).toEqual([
      2, 3, 0, 1,
    ]);
  });

  it('keeps a write of a resource behind one that names it and has to wait', () => {
    expect(
      order(user('a'), group('g', 'bulkId:a', 'bulkId:b'), { method: 'DELETE', path: '/Users/bulkId:a' }, user('b')),
    ).toEqual([0, 3, 1, 2]);
    expect(order(group('g', 'u1', 'bulkId:b'), { method: 'DELETE', path: '/Users/U1' }, user('b'))).toEqual([2, 0, 1]);
  });

  it('has those together that are of one kind and do not wait for each other', () => {
    const operations = parse(
      user('a'),
      user('b'),
      user('c', { manager: 'bulkId:a' }),
      user('d'),
      group('g', 'bulkId:a'),
      group('h'),
      group('i'),
      { method: 'GET' },
      user('e'),
    );
    expect(ordered(operations, 100)).toEqual([[0, 1], [2, 3], [4, 5, 6], [7], [8]]);
    expect(ordered(operations, 2)).toEqual([[0, 1], [2, 3], [4, 5], [6], [7], [8]]);
  });

  it('has a circle in one step, after what it needs and before what needs it', () => {
    const operations = parse(
      group('g', 'bulkId:a'),
      user('a', { manager: 'bulkId:b' }),
      user('b', { manager: 'bulkId:a', nickName: 'bulkId:c' }),
      user('c'),
      user('d'),
    );
    expect(orderBulk(operations, 100).map(({ isCircle, operations: { length } }) => [isCircle, length])).toEqual([
      [false, 1],
      [true, 2],
      [false, 1],
      [false, 1],
    ]);
    expect(ordered(operations, 100)).toEqual([[3], [1, 2], [0], [4]]);
    expect(orderBulk(parse(user('self', { manager: 'bulkId:self' })), 1)).toMatchObject([{ isCircle: true }]);
  });

  it("refuses groups that are each other's members, before anything is tried", () => {
    const steps = orderBulk(parse(group('a', 'bulkId:b'), group('b', 'bulkId:a'), group('self', 'bulkId:self')), 10);
    expect(steps.map(({ isCircle }) => isCircle)).toEqual([false, false, false]);
    for (const {
      operations: [operation],
    } of steps)
      expect(operation!.write).toMatchObject({ code: 'conflict', detail: expect.stringContaining('contain itself') });
    const other = { method: 'POST', path: '/Groups', bulkId: 'b', data: { displayName: 'b', owner: 'bulkId:a' } };
    expect(orderBulk(parse(group('a', 'bulkId:b'), other), 10)).toMatchObject([{ isCircle: true }]);
  });

  it('of a chain, and of a circle, as long as a request can be needs no stack', () => {
    const length = 12_000;
    const chain = (end: object): unknown => ({
      Operations: [...Array.from({ length: length - 1 }, (_, i) => user(`${i}`, { manager: `bulkId:${i + 1}` })), end],
    });
    expect(ordered(parseBulk(chain(user(`${length - 1}`)), length).operations).flat()).toEqual(
      Array.from({ length }, (_, i) => length - 1 - i),
    );
    expect(
      orderBulk(parseBulk(chain(user(`${length - 1}`, { manager: 'bulkId:0' })), length).operations, 1),
    ).toHaveLength(1);
  });
});

/**
 * Random operations: some resources of the tenant, bulkIds that there are and that there are not, forwards, backwards
 * and in circles.
 */
const RANDOM = fc.integer({ min: 1, max: 12 }).chain((size) => {
  const text = fc.oneof(
    { weight: 3, arbitrary: fc.integer({ min: 0, max: size - 1 }).map((n) => `bulkId:${n}`) },
    fc.constantFrom('id1', 'id2', 'ID1'),
  );
  const path = fc.tuple(fc.constantFrom('/Users', '/Groups'), text).map(([endpoint, id]) => `${endpoint}/${id}`);
  const values = fc.array(text, { maxLength: 2 }).map((ids) => ids.map((value) => ({ value })));
  return fc.tuple(
    ...Array.from({ length: size }, (_, index) =>
      fc.oneof(
        values.map((members) => ({
          method: 'POST',
          path: '/Groups',
          bulkId: `${index}`,
          data: { displayName: 'g', members },
        })),
        values.map((emails) => ({
          method: 'POST',
          path: '/Users',
          bulkId: `${index}`,
          data: { userName: 'u', emails },
        })),
        fc.tuple(path, values).map(([to, value]) => patch(to, value)),
        path.map((to) => ({ method: 'DELETE', path: to })),
        fc.constant({ method: 'GET' }),
      ),
    ),
  );
});

/**
 * The order once more, naively: again and again the first operation that waits for nothing which is still to be done;
 * where there is none, the first circle that needs nothing else. Whom an operation names is looked up in its JSON.
 */
const naive = (operations: readonly BulkOperation[]): number[] => {
  const texts = operations.map(({ write }) =>
    write instanceof Rejected
      ? []
      : (JSON.parse(
          `[${
            JSON.stringify([write.target, write.data])
              .match(/"(?:[^"\\]|\\.)*"/g)
              ?.join() ?? ''
          }]`,
        ) as string[]),
  );
  const sound = operations.map(({ write }) => (write instanceof Rejected ? null : write));
  const key = (text: string): string => (text.startsWith('bulkId:') ? text : text.toLowerCase());
  const waitsFor = (later: number, other: number): boolean => {
    const { method, bulkId } = operations[other]!;
    if (method === 'POST' && bulkId !== undefined && texts[later]!.includes(`bulkId:${bulkId}`)) return true;
    const target = sound[later]?.target;
    return (
      target !== undefined &&
      target !== null &&
      other < later &&
      texts[other]!.some((text) => key(text) === key(target))
    );
  };
  const all = [...operations.keys()];
  const done: number[] = [];
  const isLeft = (index: number): boolean => !done.includes(index);
  const reach = (from: number): number[] => {
    const found = [from];
    for (const index of found)
      found.push(...all.filter((other) => isLeft(other) && waitsFor(index, other) && !found.includes(other)));
    return found;
  };
  while (done.length < all.length) {
    const circles = all.filter(isLeft).map((index) =>
      reach(index)
        .filter((other) => reach(other).includes(index))
        .sort((a, b) => a - b),
    );
    const free = circles.find((circle) =>
      circle.every((index) =>
        all.every((other) => !isLeft(other) || circle.includes(other) || !waitsFor(index, other)),
      ),
    )!;
    done.push(...free);
  }
  return done;
};

describe('of random requests', () => {
  it('the order is that of the naive model, whatever goes together', () => {
    fc.assert(
      fc.property(RANDOM, fc.integer({ min: 1, max: 5 }), (operations, maxTogether) => {
        const parsed = parse(...operations);
        expect(ordered(parsed, maxTogether).flat()).toEqual(naive(parsed));
      }),
      { numRuns: 500 },
    );
  });

  it('what goes together is of one kind and does not refer to each other', () => {
    fc.assert(
      fc.property(RANDOM, (operations) => {
        for (const { operations: members, isCircle } of orderBulk(parse(...operations), 4)) {
          if (isCircle || members.length === 1) continue;
          expect(members.length).toBeLessThanOrEqual(4);
          expect(new Set(members.map(({ method, place }) => `${method} ${place?.definition.name}`)).size).toBe(1);
          for (const { write } of members)
            for (const { bulkId } of members) expect(JSON.stringify(write)).not.toContain(`"bulkId:${bulkId}"`);
        }
      }),
      { numRuns: 300 },
    );
  });
});

describe('references', () => {
  const patchOf = (data: object): object => ({ method: 'PATCH', path: '/Groups/1', data });
  const ids = new Map([
    ['a', 'id-a'],
    ['b', 'id-b'],
  ]);

  it('stand for ids in the path and anywhere in data, as whole texts', () => {
    const [, , operation] = parse(user('a'), user('b'), {
      method: 'PATCH',
      path: '/Users/bulkId:a',
      data: {
        Operations: [
          { op: 'add', value: { manager: 'bulkId:b', title: 'not bulkId:b', roles: [{ value: 'bulkId:a' }, null, 7] } },
        ],
      },
    });
    expect(resolveBulk(writeOf(operation!), ids)).toMatchObject({
      target: 'id-a',
      data: {
        Operations: [
          { op: 'add', value: { manager: 'id-b', title: 'not bulkId:b', roles: [{ value: 'id-a' }, null, 7] } },
        ],
      },
    });
  });

  it('stand for ids in the filters of paths, in any quotes, and nowhere else in them', () => {
    const [, , operation] = parse(
      user('a'),
      user('b'),
      patchOf({
        Operations: [
          { op: 'remove', path: 'members[value eq "bulkId:a" or value eq \'bulkId:b\' or value eq bulkId:a]' },
          { OP: 'add', PATH: 'members[value eq "bulkId:b"].value', value: 'bulkId:a' },
          {
            op: 'replace',
            value: { 'members[value eq "bulkId:a"].value': 'bulkId:b', 'members[display eq "not bulkId:a"]': {} },
          },
          { op: 'remove', path: 'members[display eq "it\'s \\"bulkId:a\\""]' },
          { op: 'remove', path: 'members[value eq "bulkId:a' },
          { op: 'add', path: 'title', value: 'members[value eq "bulkId:a"]' },
        ],
      }),
    );
    expect(resolveBulk(writeOf(operation!), ids).data).toEqual({
      Operations: [
        { op: 'remove', path: 'members[value eq "id-a" or value eq "id-b" or value eq "id-a"]' },
        { OP: 'add', PATH: 'members[value eq "id-b"].value', value: 'id-a' },
        {
          op: 'replace',
          value: { 'members[value eq "id-a"].value': 'id-b', 'members[display eq "not bulkId:a"]': {} },
        },
        { op: 'remove', path: 'members[display eq "it\'s \\"bulkId:a\\""]' },
        { op: 'remove', path: 'members[value eq "bulkId:a' },
        { op: 'add', path: 'title', value: 'members[value eq "bulkId:a"]' },
      ],
    });
  });

  it('in the filters of paths are waited for, and refused where nothing has that bulkId', () => {
    const remove = (reference: string): object =>
      patchOf({ Operations: [{ op: 'remove', path: `members[value eq "${reference}"]` }] });
    expect(order(remove('bulkId:a'), user('a'))).toEqual([1, 0]);
    const [first, second] = parse(remove('bulkId:x'), user('a'));
    expect([first!.write, second!.write]).toMatchObject([
      { code: 'invalidValue', detail: expect.stringContaining('"bulkId:x"') },
      { method: 'POST' },
    ]);
    const [failed] = parse(remove('bulkId:c'), user('c'));
    expect(rejection(() => resolveBulk(writeOf(failed!), ids))).toMatchObject({
      code: 'conflict',
      detail: expect.stringContaining('"bulkId:c"'),
    });
  });

  it('to an operation that has failed are a conflict that names it', () => {
    const [operation] = parse(group('g', 'bulkId:a', 'bulkId:c'), user('a'), user('c'));
    expect(rejection(() => resolveBulk(writeOf(operation!), ids))).toMatchObject({
      code: 'conflict',
      detail: expect.stringContaining('"bulkId:c"'),
    });
  });

  it('do not reach into the prototype of anything', () => {
    const [operation] = parse(
      { method: 'PUT', path: '/Users/1', data: JSON.parse('{"__proto__":{"value":"bulkId:a"}}') as object },
      user('a'),
    );
    expect(JSON.stringify(resolveBulk(writeOf(operation!), ids).data)).toBe('{"__proto__":{"value":"id-a"}}');
  });

  it('of a circle are left out, and added later in a PATCH that says the same', () => {
    const [operation] = parse(
      user('x', {
        title: 'T',
        emails: [{ value: 'a@example.org' }, { value: 'bulkId:y' }],
        roles: [{ value: 'bulkId:y' }],
        name: { givenName: 'G', familyName: 'bulkId:y' },
        [E]: { department: 'D', manager: { value: 'bulkId:y' } },
      }),
      user('y', { manager: 'bulkId:x' }),
    );
    const { now, later } = splitBulk(writeOf(operation!), new Map(), new Set(['x', 'y']));
    expect(now.data).toEqual({
      userName: 'x',
      title: 'T',
      emails: [{ value: 'a@example.org' }],
      roles: [],
      [E]: { department: 'D' },
    });
    expect(later).toEqual({
      emails: [{ value: 'bulkId:y' }],
      roles: [{ value: 'bulkId:y' }],
      name: { givenName: 'G', familyName: 'bulkId:y' },
      [E]: { manager: { value: 'bulkId:y' } },
    });
    expect(parsePatch(USER, { Operations: [{ op: 'add', value: later }] }).operations).toContainEqual({
      op: 'add',
      path: `${E}:manager`,
      value: { value: 'bulkId:y' },
    });
  });

  it('of a circle to what is there already are resolved at once', () => {
    const [operation] = parse(user('y', { manager: 'bulkId:x' }), user('x', { manager: 'bulkId:y' }));
    expect(splitBulk(writeOf(operation!), new Map([['x', 'id-x']]), new Set(['x', 'y']))).toMatchObject({
      now: { data: { manager: 'id-x' } },
      later: {},
    });
  });

  it('out of a circle to what has failed are a conflict', () => {
    const [operation] = parse(
      { method: 'POST', path: '/Groups', bulkId: 'g', data: { owner: 'bulkId:g', members: [{ value: 'bulkId:c' }] } },
      user('c'),
    );
    expect(writeOf(operation!).definition).toBe(GROUP);
    expect(rejection(() => splitBulk(writeOf(operation!), new Map(), new Set(['g'])))).toMatchObject({
      code: 'conflict',
      detail: expect.stringContaining('bulkId:c'),
    });
  });
});
