import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { applyPatch } from './apply-patch.js';
import { orRejection } from './error.js';
import type { Json, JsonObject } from './json.js';
import { parseTarget, type Target } from './patch.js';
import type { Resource } from './resource.js';
import { definitionsOf, ENTERPRISE_USER_URN as E, type Attribute } from './schema.js';
import { writerOf, Writing } from './writer.js';

const ACME = 'urn:ietf:params:scim:schemas:extension:acme:2.0:User';
const attribute = (name: string, type: Attribute['type'], rest: Partial<Attribute> = {}): Attribute => ({
  name,
  type,
  multiValued: false,
  required: false,
  caseExact: false,
  mutability: 'readWrite',
  returned: 'default',
  uniqueness: 'none',
  description: '',
  ...rest,
});
/** A list whose values have a type of another kind than those of the core. */
const typed = (name: string, type: Attribute): Attribute =>
  attribute(name, 'complex', { multiValued: true, subAttributes: [attribute('value', 'string'), type] });
const DEFINITION = definitionsOf([
  {
    id: '1',
    version: 1,
    resourceType: 'User',
    schema: {
      id: ACME,
      name: 'Acme',
      description: '',
      attributes: [
        attribute('code', 'string', { uniqueness: 'server' }),
        attribute('hired', 'dateTime'),
        attribute('floor', 'integer'),
        attribute('share', 'decimal'),
        attribute('key', 'binary'),
        attribute('tags', 'string', { multiValued: true }),
        attribute('badge', 'complex', { subAttributes: [attribute('codes', 'string', { multiValued: true })] }),
        attribute('roles', 'complex', { multiValued: true, subAttributes: [attribute('value', 'string')] }),
        typed('exact', attribute('type', 'string', { caseExact: true })),
        typed('dated', attribute('type', 'dateTime')),
        typed('folded', attribute('type', 'string')),
      ],
    },
  },
]).user;

const targetsOf = (...paths: readonly string[]) =>
  fc.constantFrom(...paths.map((path) => parseTarget(DEFINITION, path) ?? parseTarget(DEFINITION, `${ACME}:${path}`)!));
const TARGETS = {
  'a list': targetsOf(
    'emails',
    'emails.value',
    'emails[type eq "work"]',
    'emails[primary eq true].value',
    ...['value', 'display', 'primary', 'type'].map((part) => `emails[type eq "work"].${part}`),
    'emails[type eq "WORK"].value',
    'emails[type eq "home"].value',
    'emails[type ne "work"].value',
    'emails[type eq ""].value',
    'emails[type eq null].value',
    'emails[type eq "İ"].display',
    'emails[type eq "work" and primary eq true].value',
    `emails[type eq "${'x'.repeat(101)}"].value`,
  ),
  'attributes of all kinds': targetsOf(
    'userName',
    'externalId',
    'nickName',
    'active',
    'profileUrl',
    'name',
    'name.formatted',
    'name.givenName',
    'addresses[type eq "work"].locality',
    'addresses[type eq "work"].country',
    'photos[type eq "work"].value',
    'x509Certificates[type eq "work"].value',
    'roles[type eq "work"].value',
    'roles',
    'entitlements.value',
    ...['department', 'manager', 'manager.value', 'manager.$ref', 'manager[value eq "a"].$ref'].map(
      (name) => `${E}:${name}`,
    ),
  ),
  "a tenant's own": targetsOf(
    'code',
    'hired',
    'floor',
    'share',
    'key',
    'tags',
    'badge.codes',
    'roles[value eq "a"].value',
    'exact[type eq "work"].value',
    'folded[type eq "work"].value',
    'dated[type eq "2026-01-31T08:00:00Z"].value',
  ),
};

const text = fc.oneof(
  fc.constantFrom('a', 'work', 'home'),
  fc.constantFrom(
    '',
    ' ',
    'A',
    'True',
    'false',
    '1',
    '2026-01-31T08:00:00Z',
    'é',
    'AAAA',
    '{"value": "Admin"}',
    'x'.repeat(401),
    `a${'\u0301'.repeat(31)}`,
  ),
);
const type = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom('work', 'home') },
  fc.constantFrom('Work', '', '2026-01-31T09:00:00+01:00', 'İ', 'i̇', 'x'.repeat(101), 1, null),
);
const simple = fc.oneof({ weight: 6, arbitrary: text }, fc.boolean(), fc.constantFrom(0, -0, 1, 1.5, NaN, null));
const element = fc.record(
  { type, value: text, display: text, primary: fc.boolean(), $ref: text, locality: text },
  { requiredKeys: [] },
);
const elements = fc.oneof(
  { weight: 6, arbitrary: fc.array(fc.oneof({ weight: 9, arbitrary: element }, text), { maxLength: 3 }) },
  fc.array(element, { minLength: 7, maxLength: 10 }),
  // All types differ, so that only the number of values is unusual.
  fc.constant(Array.from({ length: 9 }, (_, at) => ({ type: `type ${at}`, value: 'a' }))),
);
const value = fc.oneof(
  { weight: 8, arbitrary: simple },
  { weight: 1, arbitrary: fc.oneof(element, elements, fc.array(simple, { maxLength: 2 }), fc.constant(undefined)) },
);
/** Stored values have mostly the right form; a writer must get along with others as a PATCH does. */
const attributes = fc.record(
  {
    userName: fc.constant('ada'),
    nickName: text,
    active: fc.boolean(),
    name: fc.oneof(fc.record({ formatted: text, givenName: text }, { requiredKeys: [] }), text),
    emails: fc.oneof({ weight: 9, arbitrary: elements }, element, fc.constant(null)),
    addresses: elements,
    photos: elements,
    roles: elements,
    [E]: fc.record({ department: text, manager: fc.oneof(element, text) }, { requiredKeys: [] }),
    [ACME]: fc.record({ code: text, exact: elements, dated: elements, folded: elements }, { requiredKeys: [] }),
  },
  { requiredKeys: ['userName'] },
);

/** Writes by writers, and the same by a PATCH. */
const expectSame = (resource: Resource, writes: readonly (readonly [target: Target, value: unknown])[]): void => {
  const before = structuredClone(resource);
  const written = orRejection(() => {
    const writing = new Writing(DEFINITION, resource);
    for (const [at, one] of writes) writerOf(at)(writing, one);
    return writing.result();
  });
  const operations = writes.map(([{ text: path }, one]) => ({ op: 'replace' as const, path, value: one as Json }));
  expect(written).toStrictEqual(orRejection(() => applyPatch(DEFINITION, resource, operations, {})));
  expect(resource).toStrictEqual(before);
};

describe('a writer does what a PATCH does that replaces what is at its target:', () => {
  it.each(Object.entries(TARGETS))('%s', (_kind, target) => {
    fc.assert(
      fc.property(attributes, fc.array(fc.tuple(target, value), { minLength: 1, maxLength: 6 }), (resource, writes) =>
        expectSame(structuredClone(resource) as Resource, writes),
      ),
      { numRuns: 3_000 },
    );
  });

  it.each<[string, JsonObject, string, Json]>([
    [
      'two values that become the same',
      {
        emails: [
          { type: 'work', value: 'a' },
          { type: 'home', value: 'a' },
        ],
      },
      'emails[type eq "work"].type',
      'home',
    ],
    [
      'a moment that is written in another zone',
      { [ACME]: { dated: [{ type: '2026-01-31T09:00:00+01:00' }] } },
      `${ACME}:dated[type eq "2026-01-31T08:00:00Z"].value`,
      'a',
    ],
  ])('%s', (_case, resource, path, one) => {
    expectSame({ userName: 'ada', ...resource }, [[parseTarget(DEFINITION, path)!, one]]);
  });
});
