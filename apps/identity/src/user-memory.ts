import type { KeyObject } from 'node:crypto';
import type { Definitions } from '#scim';
import type { Directory, UserState } from './user.js';

/** A lane remembers users whose rows have so many bytes: some 600 ordinary ones. */
const MAX_REMEMBERED_BYTES = 524_288;
/** A user of more bytes is loaded again: it would make the lane forget many others. */
const MAX_USER_BYTES = 16_384;
/** A tenant may have 500 KiB of schemas, and what is made of them takes several times as much. */
const MAX_TENANTS_BYTES = 1_048_576;
/** A tenant without directories and schemas takes so much: its key, and its places in the tables. */
const TENANT_BYTES = 256;
/**
 * A wrong assumption costs a write statement and all that is remembered. Whoever sends one name after the other that is
 * taken costs the lane no more than every tenth batch.
 */
const MIN_BATCHES = 9;

export interface RememberedUser {
  readonly state: NonNullable<UserState>;
  /** True if the user is in any group. Group may have changed that meanwhile: the write statement asks. */
  readonly isMember: boolean;
  readonly key: KeyObject;
}

export interface RememberedTenant {
  /** The last event of the tenant's directories, schemas and domains; while it is the last, what follows is true. */
  readonly revision: number;
  readonly directories: readonly Directory[];
  /** The e-mail domains that are verified, folded. */
  readonly domains: ReadonlySet<string>;
  /** Undefined if the tenant has no schemas of its own. */
  readonly definitions: Definitions | undefined;
  readonly key: KeyObject;
}

/**
 * Users whom a lane has just written, and their tenants: the next command about them needs no load. Nobody else writes
 * users of this partition, which the position row guards; what others may have changed is compared by the write
 * statement.
 */
export class UserMemory {
  private readonly users = new Map<string, RememberedUser & { readonly bytes: number }>();
  private readonly tenants = new Map<string, { readonly known: RememberedTenant; readonly bytes: number }>();
  private bytes = 0;
  private tenantsBytes = 0;
  private batches = 0;

  /** True if it may be assumed that the names of new users belong to nobody. */
  get mayAssume(): boolean {
    return this.batches >= MIN_BATCHES;
  }

  /** A batch was carried out since the memory began. */
  committed(): void {
    this.batches++;
  }

  user(tenant: string, id: string): RememberedUser | undefined {
    return this.users.get(`${tenant}/${id}`);
  }

  tenant(tenant: string): RememberedTenant | undefined {
    return this.tenants.get(tenant)?.known;
  }

  /** `user` null = it was deleted; `bytes` = those of its row. */
  rememberUser(tenant: string, id: string, user: RememberedUser | null, bytes: number): void {
    this.forget(`${tenant}/${id}`);
    if (!user || bytes > MAX_USER_BYTES) return;
    this.users.set(`${tenant}/${id}`, { ...user, bytes });
    this.bytes += bytes;
    for (const first of this.users.keys()) {
      if (this.bytes <= MAX_REMEMBERED_BYTES) break;
      this.forget(first);
    }
  }

  /** `bytes` = those of its directories, schemas and domains. */
  rememberTenant(tenant: string, known: RememberedTenant, bytes: number): void {
    this.forgetTenant(tenant);
    this.tenants.set(tenant, { known, bytes: bytes + TENANT_BYTES });
    this.tenantsBytes += bytes + TENANT_BYTES;
    for (const first of this.tenants.keys()) {
      if (this.tenantsBytes <= MAX_TENANTS_BYTES) break;
      this.forgetTenant(first);
    }
  }

  private forgetTenant(tenant: string): void {
    this.tenantsBytes -= this.tenants.get(tenant)?.bytes ?? 0;
    this.tenants.delete(tenant);
  }

  private forget(key: string): void {
    this.bytes -= this.users.get(key)?.bytes ?? 0;
    this.users.delete(key);
  }
}
