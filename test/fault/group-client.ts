import type { Target } from '../bench/cycle.js';
import type { Change, GroupOfMember } from './memberships.js';
import { ScimConnection, type Reply } from './scim-connection.js';

/** A client knows this after a write about a group; `members` where the answer shows the group. */
export type GroupTold =
  | { readonly kind: 'acknowledged'; readonly id: string | null; readonly members: readonly string[] | null }
  | { readonly kind: 'refused'; readonly status: number; readonly detail: string }
  | { readonly kind: 'lost' }
  | { readonly kind: 'notSent' };

interface GroupBody {
  readonly id: string;
  readonly members?: readonly { readonly value: string }[];
}

const GROUP = 'urn:ietf:params:scim:schemas:core:2.0:Group';
const PATCH_OP = 'urn:ietf:params:scim:api:messages:2.0:PatchOp';

const membersOf = (body: GroupBody): string[] => (body.members ?? []).map(({ value }) => value);
const refs = (ids: readonly string[]): object[] => ids.map((value) => ({ value }));
const equal = (id: string): string => `value eq "${id}"`;

/** The number of ways to say the same: both dialects of Entra, and RFC 7644 §3.5.2. */
const operations = ({ op, ids }: Change, dialect: number): object[] => {
  const asEntra = [
    { op: op === 'add' ? 'Add' : 'Remove', path: 'members', value: ids.map((value) => ({ $ref: null, value })) },
  ];
  if (op === 'add')
    return [asEntra, [{ op, path: 'members', value: refs(ids) }], [{ op, value: { members: refs(ids) } }]][
      dialect % 3
    ]!;
  return [
    asEntra,
    ids.map((id) => ({ op: 'Remove', path: `members[${equal(id)}]` })),
    [{ op: 'remove', path: `members[${ids.map(equal).join(' or ')}]` }],
  ][dialect % 3]!;
};

/** One SCIM client of groups on one connection that remembers what it was told. */
export class GroupClient {
  private readonly connection: ScimConnection;
  private dialect = 0;

  /** `unexpected` gets every answer that is wrong whatever the state is. */
  constructor(target: Target, unexpected: (what: string) => void) {
    this.connection = new ScimConnection(target, unexpected);
  }

  async create(displayName: string, members: readonly string[]): Promise<GroupTold> {
    return told(
      await this.connection.send('POST', '/Groups', { schemas: [GROUP], displayName, members: refs(members) }),
    );
  }

  async patch(id: string, changes: readonly Change[]): Promise<GroupTold> {
    const body = { schemas: [PATCH_OP], Operations: changes.flatMap((change) => operations(change, this.dialect++)) };
    return told(await this.connection.send('PATCH', `/Groups/${id}`, body));
  }

  async replace(id: string, displayName: string, members: readonly string[]): Promise<GroupTold> {
    return told(
      await this.connection.send('PUT', `/Groups/${id}`, { schemas: [GROUP], displayName, members: refs(members) }),
    );
  }

  async delete(id: string): Promise<GroupTold> {
    return told(await this.connection.send('DELETE', `/Groups/${id}`));
  }

  async get(id: string): Promise<GroupTold> {
    return told(await this.connection.send('GET', `/Groups/${id}`));
  }

  /** The ids of the groups with this name; null when it got no answer. */
  async find(displayName: string): Promise<readonly string[] | null> {
    const filter = encodeURIComponent(`displayName eq "${displayName}"`);
    const body = await this.connection.read<{ Resources?: GroupBody[] }>(
      `/Groups?excludedAttributes=members&filter=${filter}`,
    );
    return body && (body.Resources ?? []).map(({ id }) => id);
  }

  /** The groups that a user shows; null when there was no answer. */
  async groupsOf(user: string): Promise<readonly GroupOfMember[] | null> {
    const body = await this.connection.read<{ groups?: readonly GroupOfMember[] }>(`/Users/${user}?attributes=groups`);
    return body && (body.groups ?? []);
  }

  close(): void {
    this.connection.close();
  }
}

const told = (reply: Reply): GroupTold => {
  if (typeof reply === 'string') return { kind: reply };
  const { status, body } = reply;
  if (status >= 400) return { kind: 'refused', status, detail: (body as { detail?: string }).detail ?? '' };
  const group = body as GroupBody | null;
  return { kind: 'acknowledged', id: group && group.id, members: group && membersOf(group) };
};
