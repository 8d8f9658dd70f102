import { randomUUID } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import type { UserEvent } from '#contracts';
import { divided } from './person-keys.js';
import {
  openPersonal,
  openPersonKey,
  openTenantKey,
  PersonKeys,
  type WrappedTenantKey,
} from './person-keys.projection.js';

const under = { directory: 'entra', directoryVersion: 1 };
const matching = { rule: 'create', candidates: [], result: 'u' } as const;
const EVENTS: readonly UserEvent[] = [
  { type: 'UserCreated', resource: { userName: 'SECRET' }, manager: 'entra', matching, ...under },
  { type: 'UserChanged', changes: { title: 'SECRET' }, ...under },
  { type: 'UserLinked', changes: { title: 'SECRET' }, matching, ...under },
  { type: 'UserUnlinked', changes: { title: 'SECRET' }, ...under },
  { type: 'UserTransferred', changes: { title: 'SECRET' }, ...under },
  { type: 'UserSignedIn', loginType: 'oidc', providerId: 'SECRET', matching, ...under },
  { type: 'SignInUnlinked', loginType: 'oidc', providerId: 'SECRET', ...under },
  { type: 'UserDeactivated', ...under },
  { type: 'UserReactivated', ...under },
  { type: 'UserDeleted', ...under },
];

describe('what is personal in an event', () => {
  it.each(EVENTS.map((event) => [event.type, event] as const))(
    '%s: values are, and nothing is lost',
    (_type, event) => {
      const { data, personal } = divided(event);
      expect(JSON.stringify(data)).not.toContain('SECRET');
      expect({ ...data, ...personal }).toMatchObject(event);
    },
  );

  it('which attributes changed can be read without the key', () => {
    expect(divided(EVENTS[1]!).data).toEqual({ type: 'UserChanged', attributes: ['title'], ...under });
  });
});

describe('the keys of a batch', () => {
  const masterKey = Buffer.alloc(32, 7);
  const [tenant, ada, bob] = [randomUUID(), randomUUID(), randomUUID()];
  type Wrapped = WrappedTenantKey & { readonly person: string };
  const rowsOf = (keys: PersonKeys): { persons: readonly Wrapped[]; tenants: readonly WrappedTenantKey[] } => {
    const { new_person_keys: persons, new_tenant_keys: tenants } = keys.rows();
    return { persons: persons as Wrapped[], tenants: tenants as WrappedTenantKey[] };
  };
  const keyOf = ({ persons, tenants }: ReturnType<typeof rowsOf>, person: string): Buffer =>
    openPersonKey(
      openTenantKey(masterKey, tenants[0]!),
      persons.find((one) => one.person === person)!,
    );

  it('one is made for each person and one for the tenant, however many events are sealed', () => {
    const keys = new PersonKeys(masterKey, []);
    const sealed = [1, 2].map((version) => keys.seal(tenant, ada, version, { version }));
    keys.seal(tenant, bob, 1, {});
    const rows = rowsOf(keys);
    expect([rows.persons.map(({ person }) => person), rows.tenants.length]).toEqual([[ada, bob], 1]);
    sealed.forEach((personal, index) =>
      expect(openPersonal(keyOf(rows, ada), { tenant, stream: ada, version: index + 1, personal })).toEqual({
        version: index + 1,
      }),
    );
  });

  it('a person who has one keeps it', () => {
    const first = new PersonKeys(masterKey, []);
    first.seal(tenant, ada, 1, {});
    const rows = rowsOf(first);
    const second = new PersonKeys(masterKey, rows.tenants);
    second.know(rows.persons[0]!);
    const personal = second.seal(tenant, ada, 2, { title: 'Dr' });
    expect(second.rows()).toEqual({ new_person_keys: [], new_tenant_keys: [] });
    expect(openPersonal(keyOf(rows, ada), { tenant, stream: ada, version: 2, personal })).toEqual({ title: 'Dr' });
  });

  it('what is sealed for one person opens with the key of no other, and as no other event', () => {
    const keys = new PersonKeys(masterKey, []);
    const personal = keys.seal(tenant, ada, 1, {});
    keys.seal(tenant, bob, 1, {});
    const rows = rowsOf(keys);
    const open = (person: string, stream: string, version: number) => () =>
      openPersonal(keyOf(rows, person), { tenant, stream, version, personal });
    expect(open(ada, ada, 1)()).toEqual({});
    for (const other of [open(bob, ada, 1), open(ada, bob, 1), open(ada, ada, 2)]) expect(other).toThrow();
  });
});
