import { DIRECTORY_EVENT_TYPES, GROUP_EVENT_TYPES, USER_EVENT_TYPES } from '#contracts';

/** An event as it was stored: readable data and opened personal data in one. */
type Shape = Readonly<Record<string, unknown>>;

/**
 * The wire type of the next version, and the step that makes that shape of this one. The step gets nothing but the
 * shape and never throws.
 */
export interface Step {
  readonly to: string;
  readonly change: (shape: Shape) => Shape;
}

/**
 * Wire type of an old version → the step to the next one. Stored events are never rewritten, so a step stays for ever;
 * its version keeps its file in test/fixtures/events.
 */
export const OLD_VERSIONS: ReadonlyMap<string, Step> = new Map([
  // In this version the directory that created a user managed it, and nobody else was looked for.
  [
    'muster.user.created.v1',
    { to: 'muster.user.created.v2', change: (shape) => ({ ...shape, manager: shape.directory, matching: null }) },
  ],
]);

/** Wire type of the newest version → the type that `evolve` knows. */
const NEWEST = new Map(
  Object.entries({ ...USER_EVENT_TYPES, ...GROUP_EVENT_TYPES, ...DIRECTORY_EVENT_TYPES }).map(([type, wire]) => [
    wire,
    type,
  ]),
);

/** Steps until the newest version is reached. */
export const upcaster = (newest: ReadonlyMap<string, string>, steps: ReadonlyMap<string, Step>) => {
  const upcast = <Event>(wire: string, shape: Shape): Event => {
    const type = newest.get(wire);
    if (type !== undefined) return { ...shape, type } as Event;
    const step = steps.get(wire);
    if (!step) throw new Error(`unknown event type ${wire}`);
    return upcast(step.to, step.change(shape));
  };
  return upcast;
};

/**
 * A stored event as today's code knows it: all readers of stored events go through here. Throws for an unknown type or
 * version.
 */
export const upcast = upcaster(NEWEST, OLD_VERSIONS);
