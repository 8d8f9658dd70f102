import { USER_EVENT_TYPES, type EventRow, type MappedLine, type MappingLine } from '#contracts';

/** A line of the attribute mapping that wrote an attribute, and under which settings it did. */
export interface MappedTarget extends MappedLine {
  readonly directory: string;
  /** The version of the directory whose settings had this line. */
  readonly directoryVersion: number;
}

/** The same with the text of the line; null = nobody knows it any more. */
export interface ShownLine extends MappedTarget {
  readonly expression: string | null;
  readonly when: NonNullable<MappingLine['when']> | null;
}

/** An event, as far as it tells which lines wrote attributes. */
export type MappingEvent = Pick<EventRow, 'type' | 'directory'> & {
  readonly data: {
    readonly directoryVersion?: number;
    readonly attributes?: readonly string[];
    readonly mapped?: readonly MappedLine[];
  };
};

const { UserChanged, UserLinked, UserUnlinked, UserTransferred, UserWithdrawn, AttributesMapped } = USER_EVENT_TYPES;
/** No directory that maps manages the user after these. */
const ENDING: readonly string[] = [UserUnlinked, UserTransferred, UserWithdrawn];
/** The types of the events that `mappedBy` looks at. */
export const MAPPING_EVENT_TYPES: readonly string[] = [UserChanged, UserLinked, AttributesMapped, ...ENDING];

/**
 * Returns the line that wrote each attribute last, by the events of a user, the oldest first. A mapping is applied as a
 * whole, so a change tells that all lines of the last event were carried out again. `once` has those that were not
 * carried out by the last write: of them a line that writes on create only still counts, until its attribute changes.
 */
export const mappedBy = (
  events: readonly MappingEvent[],
): { readonly last: readonly MappedTarget[]; readonly once: readonly MappedTarget[] } => {
  let last: readonly MappedTarget[] = [];
  let once: readonly MappedTarget[] = [];
  /** The lines before a change, of which the event that follows it may leave some out. */
  let before: readonly MappedTarget[] | null = null;
  for (const { type, directory, data } of events) {
    const { directoryVersion, attributes = [], mapped = [] } = data;
    if (ENDING.includes(type)) [last, once, before] = [[], [], null];
    else if (directory === null || directoryVersion === undefined) continue;
    else if (type === AttributesMapped) {
      const isWritten = ({ target }: MappedTarget): boolean => mapped.some((line) => line.target === target);
      once = [...once, ...(before ?? last)].filter((line) => !isWritten(line));
      last = mapped.map(({ target, line }) => ({ target, line, directory, directoryVersion }));
      before = null;
    } else {
      const isAsBefore = ({ target }: MappedTarget): boolean =>
        !attributes.some((attribute) => isWithin(target, attribute));
      before = last.filter(isAsBefore);
      once = once.filter(isAsBefore);
      last = last.map((line) => ({ ...line, directory, directoryVersion }));
    }
  }
  return { last, once };
};

/** `name.givenName` and `emails[type eq "work"].value` are parts of `name` and `emails`, and so is what follows a URN. */
const isWithin = (target: string, attribute: string): boolean =>
  target.toLowerCase().startsWith(attribute.toLowerCase()) &&
  ['', '.', '[', ':'].includes(target.charAt(attribute.length));
