import { createSecretKey, type KeyObject } from 'node:crypto';
import { keyContext, sealContext } from '#contracts';
import { newKey, seal, unseal, type StoredEvent, type WritePart } from '#event-store';

/**
 * Each person has a key, wrapped by the key of the tenant, which the master key wraps. What is personal in an event is
 * sealed with it, so that destroying one key erases the person from every event at once.
 */

/** The tables of keys, as a load query reads them. `tenant` and `person` are SQL. */
export const personKey = (tenant: string, person: string): string =>
  `(SELECT wrapped FROM keys.persons WHERE tenant = ${tenant} AND person = ${person} OFFSET 0)`;
export const tenantKey = (tenant: string): string =>
  `(SELECT wrapped FROM keys.tenants WHERE tenant = ${tenant} OFFSET 0)`;

/** Keys that are made with the first event of a person, and of a tenant. */
export const KEY_PARTS: readonly WritePart[] = [
  {
    name: 'new_person_keys',
    sql: (rows) => `
      INSERT INTO keys.persons SELECT r.* FROM json_to_recordset(${rows}) AS r(tenant uuid, person uuid, wrapped text) RETURNING 1`,
  },
  {
    name: 'new_tenant_keys',
    sql: (rows) => `
      INSERT INTO keys.tenants SELECT r.* FROM json_to_recordset(${rows}) AS r(tenant uuid, wrapped text) RETURNING 1`,
  },
];

export interface WrappedTenantKey {
  readonly tenant: string;
  readonly wrapped: string;
}
interface WrappedPersonKey extends WrappedTenantKey {
  readonly person: string;
}

/** The keys with which one batch seals: those that were loaded, and new ones of those who have none. */
export class PersonKeys {
  /** By tenant and person. */
  private readonly wrapped = new Map<string, string>();
  private readonly opened = new Map<string, KeyObject>();
  private readonly tenants = new Map<string, KeyObject>();
  private readonly newPersons: WrappedPersonKey[] = [];
  private readonly newTenants: WrappedTenantKey[] = [];

  constructor(
    private readonly masterKey: Buffer,
    private readonly loaded: readonly WrappedTenantKey[],
  ) {}

  /** A person whose key was loaded. */
  know({ tenant, person, wrapped }: WrappedPersonKey): void {
    this.wrapped.set(`${tenant}/${person}`, wrapped);
  }

  /** A person whose key is open already. */
  rememberPerson(tenant: string, person: string, key: KeyObject): void {
    this.opened.set(`${tenant}/${person}`, key);
  }

  rememberTenant(tenant: string, key: KeyObject): void {
    this.tenants.set(tenant, key);
  }

  /** Seals what is personal in the event of this version. */
  seal(tenant: string, person: string, version: number, personal: object): string {
    return seal(this.ofPerson(tenant, person), sealContext(tenant, person, version), JSON.stringify(personal));
  }

  rows(): Record<'new_person_keys' | 'new_tenant_keys', readonly unknown[]> {
    return { new_person_keys: this.newPersons, new_tenant_keys: this.newTenants };
  }

  openOfPerson(tenant: string, person: string): KeyObject | undefined {
    return this.opened.get(`${tenant}/${person}`);
  }

  openOfTenant(tenant: string): KeyObject | undefined {
    return this.tenants.get(tenant);
  }

  private ofPerson(tenant: string, person: string): KeyObject {
    const id = `${tenant}/${person}`;
    const known = this.opened.get(id);
    if (known) return known;
    const ofTenant = this.ofTenant(tenant);
    const wrapped = this.wrapped.get(id);
    const bytes = wrapped === undefined ? newKey() : openPersonKey(ofTenant, { tenant, person, wrapped });
    if (wrapped === undefined)
      this.newPersons.push({ tenant, person, wrapped: seal(ofTenant, keyContext(tenant, person), bytes) });
    const key = createSecretKey(bytes);
    this.opened.set(id, key);
    return key;
  }

  private ofTenant(tenant: string): KeyObject {
    const known = this.tenants.get(tenant);
    if (known) return known;
    const row = this.loaded.find((found) => found.tenant === tenant);
    const bytes = row ? openTenantKey(this.masterKey, row) : newKey();
    if (!row) this.newTenants.push({ tenant, wrapped: seal(this.masterKey, keyContext(tenant), bytes) });
    const key = createSecretKey(bytes);
    this.tenants.set(tenant, key);
    return key;
  }
}

/** Throws when the master key is not the one by which the key was wrapped. */
export const openTenantKey = (masterKey: Buffer, { tenant, wrapped }: WrappedTenantKey): Buffer =>
  unseal(masterKey, keyContext(tenant), wrapped);

export const openPersonKey = (tenantsKey: Buffer | KeyObject, { tenant, person, wrapped }: WrappedPersonKey): Buffer =>
  unseal(tenantsKey, keyContext(tenant, person), wrapped);

/** The personal part of a stored event. */
export const openPersonal = (
  personsKey: Buffer,
  { tenant, stream, version, personal }: Pick<StoredEvent, 'tenant' | 'stream' | 'version' | 'personal'>,
): object =>
  personal === null
    ? {}
    : (JSON.parse(unseal(personsKey, sealContext(tenant, stream, version), personal).toString()) as object);
