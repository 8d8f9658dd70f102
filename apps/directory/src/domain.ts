import { rejection } from '#scim';
import type { VerifiedBy } from '#contracts';
import type { Aggregate, CommandOf, Decided, Known, State, World } from './aggregate.js';
import { hasTenant } from './tenant.js';

/** An e-mail domain of a tenant: the fold of its events. */
export interface DomainState extends State {
  readonly kind: 'domain';
  /** As DNS has it: ASCII, in small letters. */
  readonly name: string;
  /** As people write it; the same as `name` for most. */
  readonly shownName: string;
  /** The value that its TXT record is to have. */
  readonly record: string;
  /** Null = it is not verified. */
  readonly verifiedBy: VerifiedBy | null;
  /** ISO 8601, UTC. */
  readonly verifiedAt: string | null;
}

type Commands = 'AddDomain' | 'VerifyDomain' | 'RemoveDomain';
type Events = 'DomainAdded' | 'DomainVerified' | 'DomainRemoved';

export const MAX_DOMAINS_PER_TENANT = 100;
/** RFC 1035 §2.3.4: 255 octets on the wire, which are 253 characters. */
const MAX_NAME_CHARACTERS = 253;
/**
 * RFC 1123 §2.1, two labels at least: an e-mail domain of one label belongs to a top-level registry. The last one is no
 * number, or the name would be an address.
 */
const NAME = /^(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+(?![0-9]+$)[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;

export const domain: Aggregate<DomainState, Commands, Events> = {
  kind: 'domain',
  table: 'domains',
  columns: {
    id: 'uuid',
    tenant: 'uuid',
    version: 'int',
    created: 'timestamptz',
    name: 'text',
    shown_name: 'text',
    record: 'text',
    verified_by: 'text',
    verified_at: 'timestamptz',
  },
  changing: ['version', 'verified_by', 'verified_at'],
  mayGo: true,
  unique: [['tenant', 'name']],
  commands: ['AddDomain', 'VerifyDomain', 'RemoveDomain'],
  events: ['DomainAdded', 'DomainVerified', 'DomainRemoved'],
  streamOf: ({ domainId }) => domainId,
  decide: (command, state, world) => {
    if (command.type === 'AddDomain') return added(command, world);
    if (!state) return rejection('notFound', `There is no domain with the id ${command.domainId}.`);
    if (command.type === 'RemoveDomain') return [{ type: 'DomainRemoved' }];
    return state.verifiedBy === null ? [{ type: 'DomainVerified', by: command.by }] : [];
  },
  evolve: (state, event, recordedAt) => {
    if (event.type === 'DomainAdded') {
      const { name, shownName, record } = event;
      return {
        kind: 'domain',
        version: 1,
        created: recordedAt,
        name,
        shownName,
        record,
        verifiedBy: null,
        verifiedAt: null,
      };
    }
    if (event.type === 'DomainRemoved') return null;
    return state && { ...state, version: state.version + 1, verifiedBy: event.by, verifiedAt: recordedAt };
  },
  rowOf: ({ name, shownName: shown_name, record, verifiedBy: verified_by, verifiedAt: verified_at }) => ({
    name,
    shown_name,
    record,
    verified_by,
    verified_at,
  }),
  stateOf: ({ name, shown_name: shownName, record, verified_by: verifiedBy, verified_at: verifiedAt }) =>
    ({ name, shownName, record, verifiedBy, verifiedAt }) as Omit<DomainState, keyof State>,
};

const added = ({ domainId, name, shownName, record }: CommandOf<'AddDomain'>, world: World): Decided => {
  if (!hasTenant(world)) return rejection('notFound', 'There is no such tenant.');
  if (name.length > MAX_NAME_CHARACTERS || !NAME.test(name))
    return rejection(
      'invalidValue',
      'The name is no e-mail domain: send one as it stands behind the @, such as example.org.',
    );
  if (world.get(domainId)) return rejection('conflict', 'The domain exists already.');
  const known = world.all(domain);
  return (
    nameTaken(name, known) ??
    (known.length < MAX_DOMAINS_PER_TENANT
      ? [{ type: 'DomainAdded', name, shownName, record }]
      : rejection('conflict', `The tenant has ${known.length} domains, and that is the limit: remove one of them.`))
  );
};

const nameTaken = (name: string, known: readonly Known<DomainState>[]): Decided | null => {
  const same = known.find(({ state }) => state.name === name);
  return same ? rejection('conflict', `The tenant has the domain ${name} already, with the id ${same.id}.`) : null;
};
