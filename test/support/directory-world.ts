import type { DirectoryEvent } from '#contracts';
import type { Belongings, Known, State, World } from '../../apps/directory/src/aggregate.js';
import { evolve, type DirectoryOwnerState } from '../../apps/directory/src/aggregates.js';

const RECORDED_AT = '2026-01-01T00:00:00.000Z';

/** The state of a stream of the directory owner after these events. */
export const stateAfter = (...events: readonly DirectoryEvent[]): DirectoryOwnerState =>
  events.reduce<DirectoryOwnerState>((state, event) => evolve(state, event, RECORDED_AT), null);

/** The world that a decision sees, of a tenant in which this has happened, by stream. */
export const worldAfter = (
  streams: Readonly<Record<string, readonly DirectoryEvent[]>>,
  now = '2026-06-01T00:00:00.000Z',
  belongings: Belongings = { users: 0, groups: 0 },
): World => {
  const states = Object.entries(streams).map(([id, events]) => [id, stateAfter(...events)] as const);
  return {
    now,
    belongingTo: () => belongings,
    get: (id) => states.find(([known]) => known === id)?.[1] ?? null,
    all: <Kind extends State>({ kind }: { readonly kind: Kind['kind'] }) =>
      states.flatMap(([id, state]): Known<Kind>[] => (state?.kind === kind ? [{ id, state: state as Kind }] : [])),
  };
};
