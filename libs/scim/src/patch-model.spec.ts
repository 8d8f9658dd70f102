import fc from 'fast-check';
import { expect, it } from 'vitest';
import { applyPatch } from './apply-patch.js';
import { Rejected } from './error.js';
import { parsePatch } from './patch.js';
import type { Resource } from './resource.js';
import { ENTERPRISE_USER_URN as E, USER } from './schema.js';

/**
 * RFC 7644 §3.5.2 once more, naively: no path is read, no filter is parsed, no value is coerced. The generator knows
 * what it means by what it writes, and the model changes a copy of the resource in place, a sentence of the RFC after
 * the other. Where it does otherwise it says why. Other forms (capital ops, "False", a manager as text) have their
 * tests beside patch.ts.
 */

type Value = Record<string, unknown>;

/** The target of an operation, as the generator means it. */
interface Place {
  readonly text: string;
  readonly urn?: string;
  readonly name: string;
  readonly kind: 'simple' | 'complex' | 'list' | 'readOnly';
  readonly part?: string;
  /** In a list: the values that are meant; `says` = the content of a new one. */
  readonly filter?: { readonly text: string; readonly holds: (value: Value) => boolean; readonly says: Value };
}

interface Operation {
  readonly op: 'add' | 'replace' | 'remove';
  /** With a path one, without one several. */
  readonly changes: readonly { readonly place: Place; readonly value?: unknown }[];
  readonly hasPath: boolean;
}

class Refused extends Error {}

const ID = 'the-id';
const same = (a: unknown, b: unknown): boolean => sorted(a) === sorted(b);
const sorted = (value: unknown): string =>
  JSON.stringify(value, (_key, part: unknown) =>
    typeof part === 'object' && part !== null && !Array.isArray(part)
      ? Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1)))
      : part,
  ) ?? 'undefined';
/** None of the model's texts has a letter that folds to anything but its lower case. */
const folded = (text: unknown): unknown => (typeof text === 'string' ? text.toLowerCase() : text);

const model = (before: Resource, operations: readonly Operation[]): Value => {
  const resource = structuredClone(before) as Value;
  for (const { op, changes } of operations) {
    for (const { place, value } of changes) change(resource, op, place, structuredClone(value));
    // §3.5.2.2: what is required cannot be removed.
    if (resource.userName === undefined) throw new Refused('mutability');
  }
  return resource;
};

const change = (resource: Value, op: Operation['op'], place: Place, value: unknown): void => {
  const { urn, name, kind } = place;
  if (kind === 'readOnly') {
    // §3.5.2 refuses each write. Okta sends the id: what is as it was is no write.
    if (op === 'remove' || !same(value, ID)) throw new Refused('mutability');
    return;
  }
  // To a list null adds nothing.
  if (op === 'add' && value === null && kind === 'list' && !place.part && !place.filter) return;
  const holder = (urn ? (resource[urn] ??= {}) : resource) as Value;
  // Values that were stored twice, before that was looked at, are one for every operation.
  if (Array.isArray(holder[name])) holder[name] = distinct(holder[name] as Value[]);
  // RFC 7643 §2.5: null and an empty array are as good as no value.
  const isGone =
    op === 'remove' ||
    value === null ||
    (op === 'replace' && Array.isArray(value) && value.length === 0 && !place.part && !place.filter);
  if (isGone) remove(holder, place, op === 'remove' ? value : undefined);
  else if (kind === 'list') writeList(holder, op as 'add' | 'replace', place, value);
  else if (kind === 'simple') holder[name] = value;
  else writeComplex(holder, place, value);
  if (Array.isArray(holder[name])) holder[name] = distinct(holder[name] as Value[]);
  // RFC 7643 §2.5: an array or an object that has become empty is not assigned any more.
  for (const [owner, key] of [[holder, name], ...(urn ? [[resource, urn] as const] : [])] as const) {
    const left = owner[key];
    if (typeof left === 'object' && left !== null && Object.keys(left).length === 0) delete owner[key];
  }
};

/**
 * RFC 7643 §2.4: the same type and value come once. Muster's own: the first takes the parts of the others, and a mark
 * as primary stays.
 */
const distinct = (values: readonly Value[]): Value[] => {
  const found: Value[] = [];
  for (const value of values) {
    const known = found.find((other) => isSame(other, value));
    const isMarked = known?.primary === true;
    if (known) Object.assign(known, value, isMarked ? { primary: true } : {});
    else found.push(value);
  }
  return found;
};

const isSame = (one: Value, other: Value): boolean =>
  one.value === undefined
    ? same(other, one)
    : folded(other.value) === folded(one.value) && folded(other.type) === folded(one.type);

/** §3.5.2.2. */
const remove = (holder: Value, { name, kind, part, filter }: Place, listed: unknown): void => {
  // Muster's own: active is required, for it would give back access.
  if (name === 'active') throw new Refused('mutability');
  const present = holder[name];
  if (present === undefined) return;
  if (kind !== 'list') {
    if (part) setParts(present as Value, { [part]: null });
    else delete holder[name];
    return;
  }
  const values = present as Value[];
  const hasAll = (value: Value, parts: Value): boolean => Object.keys(parts).every((key) => parts[key] === value[key]);
  // Muster's own: who takes a role away must hit one, unless he names it by its value, which may be gone already, but
  // is not there with another type.
  const isMiss = (entry: Value, all: readonly Value[]): boolean =>
    entry.value === undefined
      ? !all.some((value) => hasAll(value, entry))
      : entry.type !== undefined &&
        all.some(({ value }) => folded(value) === folded(entry.value)) &&
        !all.some((value) => isSame(entry, value));
  const isMissed = filter
    ? !filter.text.includes('value ') && !values.some(filter.holds)
    : [listed ?? []].flat().some((entry) => isMiss(entry as Value, values));
  if (name === 'roles' && isMissed) throw new Refused('noTarget');
  if (filter || part) {
    const hits = values.filter((value) => !filter || filter.holds(value));
    if (!part) holder[name] = values.filter((value) => !hits.includes(value));
    else {
      for (const hit of hits) delete hit[part];
      // Muster's own: a type or a mark that nothing is left of says nothing.
      holder[name] = values.filter(
        (value) => !hits.includes(value) || Object.keys(value).some((key) => key !== 'type' && key !== 'primary'),
      );
    }
  } else if (listed === undefined) {
    delete holder[name];
  } else {
    // Entra lists the values that go, which the RFC does not know: those of the same value, and of the same type when
    // one is listed; where no value is listed, those that have all the parts.
    const goes = (value: Value): boolean =>
      (Array.isArray(listed) ? (listed as Value[]) : [listed as Value]).some((entry) =>
        entry.value === undefined
          ? Object.keys(entry).length > 0 && hasAll(value, entry)
          : folded(entry.value) === folded(value.value) &&
            (entry.type === undefined || folded(entry.type) === folded(value.type)),
      );
    holder[name] = values.filter((value) => !goes(value));
  }
};

/** §3.5.2.1 and §3.5.2.3: of a complex attribute the parts that are given are set; the others stay. */
const writeComplex = (holder: Value, { name, part }: Place, value: unknown): void => {
  const object = (holder[name] ??= {}) as Value;
  setParts(object, part ? { [part]: value } : (value as Value));
};

const setParts = (object: Value, parts: Value): void => {
  const { value } = object;
  for (const [name, part] of Object.entries(parts)) {
    if (part === null) delete object[name];
    else object[name] = part;
  }
  // RFC 7643 §2.4: $ref is the URI of the value; of another value it is another one.
  if ('value' in parts && !('$ref' in parts) && parts.value !== value) delete object.$ref;
};

const writeList = (holder: Value, op: 'add' | 'replace', { name, part, filter }: Place, value: unknown): void => {
  const values = (holder[name] ??= []) as Value[];
  const marked: Value[] = [];
  const write = (element: Value, parts: Value): void => {
    setParts(element, parts);
    if (parts.primary === true) marked.push(element);
  };
  writeValues(holder, op, { name, part, filter }, value, values, write);
  // §3.5.2: a value that is made the primary one takes the mark from the others.
  const chosen = values.findLast((element) => marked.includes(element) && element.primary === true);
  if (chosen) for (const other of values) if (other !== chosen && other.primary === true) other.primary = false;
};

const writeValues = (
  holder: Value,
  op: 'add' | 'replace',
  { name, part, filter }: Pick<Place, 'name' | 'part' | 'filter'>,
  value: unknown,
  values: Value[],
  write: (element: Value, parts: Value) => void,
): void => {
  if (!part && !filter) {
    const given = distinct(Array.isArray(value) ? (value as Value[]) : [value as Value]);
    // §3.5.2.3: all values are replaced.
    if (op === 'replace') holder[name] = given;
    // §3.5.2.1: a value that is there already is not added again. RFC 7643 §2.4: type and value tell values apart.
    else
      for (const one of given) {
        const known = values.findLast((other) => isSame(one, other));
        if (known) write(known, one);
        else {
          const created: Value = {};
          values.push(created);
          write(created, one);
        }
      }
    return;
  }
  const parts = part ? { [part]: value } : (value as Value);
  const hits = values.filter((element) => !filter || filter.holds(element));
  for (const hit of hits) {
    // §3.5.2.3: without a part the value as a whole is replaced. Muster's own: by one that the filter still names.
    if (op === 'replace' && !part && filter) {
      for (const key of Object.keys(hit)) delete hit[key];
      Object.assign(hit, filter.says);
    }
    write(hit, parts);
  }
  if (hits.length > 0) return;
  // §3.5.2.3 wants noTarget. Entra sends such paths for every first e-mail: the value is made, if the filter says what
  // it would be.
  if (filter && !filter.holds(filter.says)) throw new Refused('noTarget');
  const created: Value = {};
  values.push(created);
  write(created, { ...filter?.says, ...parts });
};

// These are drawn: few texts, so that they meet.

const word = fc.constantFrom('a', 'b', 'A');
const type = fc.constantFrom('work', 'home', 'Work');
const some = <T>(shape: { [name: string]: fc.Arbitrary<T> }, required: string[] = []): fc.Arbitrary<Value> =>
  fc.record(shape, { requiredKeys: required }) as fc.Arbitrary<Value>;
const nonEmpty = (values: fc.Arbitrary<Value>): fc.Arbitrary<Value> =>
  values.filter((value) => Object.keys(value).length > 0);
const email = some<unknown>({ value: word, type, display: word, primary: fc.boolean() }, ['value']);
const address = nonEmpty(some({ type, locality: word, region: word }));
/** RFC 7643 §2.4: one primary value at most. */
const list = (values: fc.Arbitrary<Value>): fc.Arbitrary<Value[]> =>
  fc
    .array(values, { minLength: 1, maxLength: 3 })
    .filter((all) => all.filter(({ primary }) => primary === true).length < 2);
const LISTS: Readonly<Record<string, fc.Arbitrary<Value>>> = { emails: email, roles: email, addresses: address };

const resource: fc.Arbitrary<Resource> = some<unknown>(
  {
    userName: word,
    active: fc.boolean(),
    title: word,
    name: nonEmpty(some({ givenName: word, familyName: word })),
    emails: list(email),
    roles: list(email),
    addresses: list(address),
    [E]: nonEmpty(
      some<unknown>({ department: word, manager: some({ value: word, $ref: fc.constant('https://x/a') }, ['value']) }),
    ),
  },
  ['userName', 'active'],
) as fc.Arbitrary<Resource>;

const eq = (part: string, operand: string): NonNullable<Place['filter']> => ({
  text: `${part} eq "${operand}"`,
  holds: (value) => value[part] !== undefined && folded(value[part]) === folded(operand),
  says: { [part]: operand },
});
const filterOf = (parts: readonly string[]): fc.Arbitrary<NonNullable<Place['filter']>> => {
  const simple = fc
    .constantFrom(...parts)
    .chain((part) => (part === 'type' ? type : word).map((operand) => eq(part, operand)));
  const primary = fc.constant({
    text: 'primary eq true',
    holds: (value: Value) => value.primary === true,
    says: { primary: true },
  });
  const one = parts.includes('value') ? fc.oneof(simple, simple, primary) : simple;
  return fc.oneof(
    { weight: 4, arbitrary: one },
    fc
      .tuple(one, one)
      .map(([a, b]) => ({
        text: `${a.text} and ${b.text}`,
        holds: (value: Value) => a.holds(value) && b.holds(value),
        says: { ...a.says, ...b.says },
      })),
    fc
      .tuple(one, one)
      .map(([a, b]) => ({
        text: `${a.text} or ${b.text}`,
        holds: (value: Value) => a.holds(value) || b.holds(value),
        says: {},
      })),
    one.map((a) => ({ text: `not (${a.text})`, holds: (value: Value) => !a.holds(value), says: {} })),
    fc
      .constantFrom(...parts)
      .map((part) => ({ text: `${part} pr`, holds: (value: Value) => value[part] !== undefined, says: {} })),
  );
};

interface Drawn {
  readonly place: Place;
  /** Values that add and replace may write there. */
  readonly value: fc.Arbitrary<unknown>;
}
const simple = (name: string, value: fc.Arbitrary<unknown>, urn?: string): Drawn => ({
  place: { text: urn ? `${urn}:${name}` : name, name, kind: 'simple', ...(urn ? { urn } : {}) },
  value,
});
const complex = (name: string, parts: Readonly<Record<string, fc.Arbitrary<unknown>>>, urn?: string): Drawn[] => {
  const text = urn ? `${urn}:${name}` : name;
  const at = urn ? { urn } : {};
  const nullable = Object.fromEntries(
    Object.entries(parts).map(([part, value]) => [part, fc.oneof({ weight: 4, arbitrary: value }, fc.constant(null))]),
  );
  return [
    { place: { text, name, kind: 'complex', ...at }, value: nonEmpty(some(nullable)) },
    ...Object.entries(parts).map(([part, value]): Drawn => ({
      place: { text: `${text}.${part}`, name, kind: 'complex', part, ...at },
      value,
    })),
  ];
};
const SINGLES: readonly Drawn[] = [
  simple('userName', word),
  simple('title', word),
  simple('active', fc.boolean()),
  simple('department', word, E),
  ...complex('name', { givenName: word, familyName: word }),
  ...complex('manager', { value: word, $ref: fc.constant('https://x/b') }, E),
  { place: { text: 'id', name: 'id', kind: 'readOnly' }, value: fc.constantFrom(ID, 'another') },
];

const drawnList: fc.Arbitrary<Drawn> = fc.constantFrom(...Object.keys(LISTS)).chain((name) => {
  const values = LISTS[name]!;
  const parts = name === 'addresses' ? ['type', 'locality'] : ['value', 'type', 'display'];
  const valueOf = (part: string): fc.Arbitrary<unknown> =>
    part === 'primary' ? fc.boolean() : part === 'type' ? type : word;
  const part = fc.constantFrom(...parts, ...(name === 'addresses' ? [] : ['primary']));
  const filter = filterOf(parts);
  return fc.oneof(
    fc.constant<Drawn>({ place: { text: name, name, kind: 'list' }, value: fc.oneof(list(values), values) }),
    part.map((one): Drawn => ({
      place: { text: `${name}.${one}`, name, kind: 'list', part: one },
      value: valueOf(one),
    })),
    filter.map((picked): Drawn => ({
      place: { text: `${name}[${picked.text}]`, name, kind: 'list', filter: picked },
      value: values,
    })),
    fc
      .tuple(filter, part)
      .map(([picked, one]): Drawn => ({
        place: { text: `${name}[${picked.text}].${one}`, name, kind: 'list', part: one, filter: picked },
        value: valueOf(one),
      })),
  );
});
const drawn = fc.oneof(fc.constantFrom(...SINGLES), drawnList, drawnList);

const withPath: fc.Arbitrary<Operation> = fc
  .tuple(fc.constantFrom('add', 'replace', 'remove'), drawn)
  .chain(([op, { place, value }]) => {
    const isWhole = place.kind === 'list' && !place.part && !place.filter;
    const values: fc.Arbitrary<unknown> =
      op !== 'remove'
        ? fc.oneof(
            { weight: 9, arbitrary: value },
            fc.constant(null),
            ...(isWhole && op === 'replace' ? [fc.constant([])] : []),
          )
        : isWhole
          ? fc.oneof(fc.constant(undefined), value)
          : fc.constant(undefined);
    return values.map((one): Operation => ({
      op,
      hasPath: true,
      changes: [one === undefined ? { place } : { place, value: one }],
    }));
  });
const withoutPath: fc.Arbitrary<Operation> = fc
  .tuple(
    fc.constantFrom('add', 'replace'),
    fc.uniqueArray(drawn, { minLength: 1, maxLength: 3, selector: ({ place }) => place.text }),
  )
  .chain(([op, places]) =>
    fc
      .tuple(...places.map(({ value }) => value))
      .map((values): Operation => ({
        op,
        hasPath: false,
        changes: places.map(({ place }, index) => ({ place, value: values[index] })),
      })),
  );

const toBody = (operations: readonly Operation[]): object => ({
  Operations: operations.map(({ op, hasPath, changes }) =>
    hasPath
      ? { op, path: changes[0]!.place.text, ...('value' in changes[0]! ? { value: changes[0].value } : {}) }
      : { op, value: Object.fromEntries(changes.map(({ place, value }) => [place.text, value])) },
  ),
});

const outcomeOf = (run: () => unknown): { readonly resource: unknown } | { readonly refused: string } => {
  try {
    return { resource: run() };
  } catch (error) {
    if (error instanceof Refused) return { refused: error.message };
    if (error instanceof Rejected) return { refused: error.code };
    throw error;
  }
};

it('a PATCH does what RFC 7644 §3.5.2 says', () => {
  let changed = 0;
  fc.assert(
    fc.property(
      resource,
      fc.array(fc.oneof({ weight: 3, arbitrary: withPath }, withoutPath), { minLength: 1, maxLength: 4 }),
      (before, operations) => {
        const expected = outcomeOf(() => model(before, operations));
        const got = outcomeOf(() =>
          applyPatch(USER, before, parsePatch(USER, toBody(operations)).operations, { id: ID }),
        );
        // The fault that shows without the resource is told first, if there are several.
        if ('refused' in expected && operations.length > 1) expect(got).toHaveProperty('refused');
        else expect(got).toEqual(expected);
        if ('resource' in expected && !same(expected.resource, before)) changed++;
      },
    ),
    { numRuns: 10_000 },
  );
  // It compares something: most of what is drawn changes the resource.
  expect(changed).toBeGreaterThan(2_500);
}, 60_000);
