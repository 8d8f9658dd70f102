import type { PublicKey } from '#contracts';
import { rejection } from '#scim';
import type { Aggregate, State, World } from './aggregate.js';

/** A key that signs access tokens: the fold of its events. It lives in the lane of the installation. */
export interface SigningKeyState extends State {
  readonly kind: 'signing key';
  readonly publicKey: PublicKey;
  readonly sealed: string;
}

export const signingKey: Aggregate<SigningKeyState, 'AddSigningKey', 'SigningKeyAdded'> = {
  kind: 'signing key',
  table: 'signing_keys',
  columns: { id: 'uuid', tenant: 'uuid', version: 'int', created: 'timestamptz', public_key: 'jsonb', sealed: 'text' },
  changing: ['version'],
  commands: ['AddSigningKey'],
  events: ['SigningKeyAdded'],
  streamOf: ({ keyId }) => keyId,
  decide: ({ publicKey, sealed, replaces }, state, world) => {
    if (state) return rejection('conflict', 'The key exists already.');
    // Processes that find the newest one too old at the same time make one new key together.
    return newestIn(world) === replaces ? [{ type: 'SigningKeyAdded', publicKey, sealed }] : [];
  },
  evolve: (_state, { publicKey, sealed }, created) => ({ kind: 'signing key', version: 1, created, publicKey, sealed }),
  rowOf: ({ publicKey: public_key, sealed }) => ({ public_key, sealed }),
  stateOf: ({ public_key: publicKey, sealed }) => ({ publicKey, sealed }) as Omit<SigningKeyState, keyof State>,
};

/** The ids are UUIDv7: the newest one is the last one. Moments come from the database in a form of its own. */
const newestIn = (world: World): string | null =>
  world
    .all(signingKey)
    .map(({ id }) => id)
    .toSorted()
    .at(-1) ?? null;
