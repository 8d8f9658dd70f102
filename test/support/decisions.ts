import { isRejection, type Rejection } from '#scim';

/** The decision, where nothing is wrong with the command. */
export const accepted = <T>(decision: T | Rejection): T => {
  if (isRejection(decision)) throw new Error(`It was refused: ${decision.detail}`);
  return decision;
};

/** Why nothing was decided. */
export const refused = (decision: unknown): Rejection => {
  if (isRejection(decision)) return decision;
  throw new Error('Nothing was refused.');
};
