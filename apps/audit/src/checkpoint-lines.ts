/** Above it a file of checkpoints becomes the one before, which takes the place of an older one. */
export const MAX_FILE_BYTES = 1_048_576;

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const END = '.jsonl';

/** The names of the files of a tenant: the one that is written, and the one before. */
export const fileNamesOf = (tenant: string): readonly [current: string, before: string] => [
  `${tenant}${END}`,
  `${tenant}.before${END}`,
];

/** The tenant whose current file this is; null = it is another file. */
export const tenantOf = (fileName: string): string | null => {
  const name = fileName.endsWith(END) ? fileName.slice(0, -END.length) : '';
  return UUID.test(name) ? name : null;
};

/** One line of a file: a checkpoint, and when it was written. `at` = ISO 8601, UTC. */
export const lineOf = (at: string, checkpoint: string): string => `${JSON.stringify({ at, checkpoint })}\n`;

/** The last checkpoint of a file; null = none. A line that a crash has cut off is none. */
export const lastCheckpointIn = (text: string): string | null => {
  for (const line of text.split('\n').slice(0, -1).toReversed()) {
    const checkpoint = checkpointIn(line);
    if (checkpoint !== null) return checkpoint;
  }
  return null;
};

const checkpointIn = (line: string): string | null => {
  try {
    const { checkpoint } = JSON.parse(line) as { checkpoint?: unknown };
    return typeof checkpoint === 'string' ? checkpoint : null;
  } catch {
    return null;
  }
};
