import { OUTCOME_TYPE, partitionOf, type CommandData, type Message, type Outcome, type OutcomeData } from '#contracts';
import type { AppendedRow, BatchHandler } from '#event-store';
import { uuidv7 } from '#runtime';

/**
 * Hands messages to a lane as the log does: the next ones of the tenant's partition. Returns what was told about each,
 * by command id.
 */
export const handOver = async <Command>(
  handler: BatchHandler<Command>,
  topic: string,
  tenant: string,
  messages: readonly Message[],
): Promise<ReadonlyMap<string, Outcome>> => {
  const partition = partitionOf(tenant);
  const { epoch, nextOffset } = await handler.position(partition);
  const committed: AppendedRow[] = [];
  await handler.handle(
    {
      topic,
      partition,
      epoch,
      nextOffset: nextOffset + messages.length,
      appended: null,
      received: messages.map((message, index) => ({ offset: nextOffset + index, message })),
    },
    (rows) => committed.push(...rows),
  );
  return new Map(
    committed.flatMap(({ message }) => {
      if (message.type !== OUTCOME_TYPE) return [];
      const { commandId, outcome } = message.data as OutcomeData;
      return [[commandId, outcome] as const];
    }),
  );
};

/** The part that is the same in the message of every command of a test. */
export const commandMessage = <Command>(
  message: Pick<Message, 'type' | 'subject' | 'tenant' | 'directory' | 'time'>,
  command: Command,
): Message<CommandData<Command>> => {
  const id = uuidv7();
  return {
    ...message,
    id,
    source: 'test',
    correlationId: id,
    causationId: null,
    data: { actor: 'test', expiresAt: '2030-01-01T00:00:00.000Z', command },
  };
};
