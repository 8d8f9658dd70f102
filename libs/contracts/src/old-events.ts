type Shape = Readonly<Record<string, unknown>>;

/**
 * Wire type of an old version of an event of a user → the step to the next one. Stored events are never rewritten, so a
 * step stays for ever; its version keeps its file in test/fixtures/events.
 */
export const OLD_USER_EVENTS = new Map([
  // In this version the directory that created a user managed it, and nobody else was looked for.
  [
    'muster.user.created.v1',
    {
      to: 'muster.user.created.v2',
      change: (shape: Shape): Shape => ({ ...shape, manager: shape.directory, matching: null }),
    },
  ],
]);
