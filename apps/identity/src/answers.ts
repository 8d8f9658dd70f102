import type { Matching, RecordedSignIn, StoredValue, UserCommand, UserSnapshot } from '#contracts';
import type { UserState } from './user.js';

/** The user as an answer shows it. */
const snapshotOf = (state: UserState, isMember: boolean): UserSnapshot | null =>
  state && {
    id: state.id,
    version: state.version,
    created: state.created,
    lastModified: state.lastModified,
    resource: state.resource,
    ...(isMember ? { isMember } : {}),
  };

/** The part of an answer that is kept: a resource is read where it is kept itself. */
export const storedAnswer = (answer: UserSnapshot | RecordedSignIn | null): StoredValue | RecordedSignIn | null =>
  answer && 'resource' in answer ? { id: answer.id, version: answer.version } : answer;

/** The answer to a command; `last` is the user as it became, or was before it was deleted. */
export const answerTo = (
  command: UserCommand,
  last: UserState,
  matching: Matching | null,
  isMember: boolean,
): UserSnapshot | RecordedSignIn | null => {
  if (command.type === 'RecordSignIn') return { userId: last!.id, matching: matching! };
  return command.type === 'DeleteUser' ? null : snapshotOf(last, isMember);
};
