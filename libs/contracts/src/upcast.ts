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
 * Makes of a stored event what today's code knows: all readers of the stored events of an owner go through one of
 * these. `types` are the newest ones, by the names that `evolve` knows; `steps` lead from each old version to the next.
 * It throws for an unknown type or version.
 */
export const upcaster = <Event>(
  types: Readonly<Record<string, string>>,
  steps: ReadonlyMap<string, Step> = new Map(),
): ((wire: string, shape: Shape) => Event) => {
  const newest = new Map(Object.entries(types).map(([type, wire]) => [wire, type]));
  const upcast = (wire: string, shape: Shape): Event => {
    const type = newest.get(wire);
    if (type !== undefined) {
      // The reason is beside what happened: no fold is to see it.
      const { reason: _reason, ...fact } = shape;
      return { ...fact, type } as Event;
    }
    const step = steps.get(wire);
    if (!step) throw new Error(`unknown event type ${wire}`);
    return upcast(step.to, step.change(shape));
  };
  return upcast;
};
