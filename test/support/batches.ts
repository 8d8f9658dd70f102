import { partitionOf, type CommandData, type Message, type Outcome, type OutcomeData } from '#contracts';
import type { BatchHandler } from '#event-store';
import { uuidv7 } from '#runtime';

/**
 * Hands messages to a lane as the log does: the next ones of the tenant's partition. Returns what was told about each,
 * by command id. `from` = where the lane is; one that has to be asked forgets what it remembers of its last batches.
 */
export const handOver = async <Command>(
  handler: BatchHandler<Command>,
  topic: string,
  tenant: string,
  messages: readonly Message[],
  from?: { readonly epoch: string; readonly nextOffset: number },
): Promise<ReadonlyMap<string, Outcome>> => {
  const partition = partitionOf(tenant);
  const { epoch, nextOffset } = from ?? (await handler.position(partition));
  const told: Message<OutcomeData>[] = [];
  await handler.handle(
    {
      topic,
      partition,
      epoch,
      nextOffset: nextOffset + messages.length,
      received: messages.map((message, index) => ({ offset: nextOffset + index, message })),
    },
    ({ outcomes }) => told.push(...outcomes),
  );
  return new Map(told.map(({ data: { commandId, outcome } }) => [commandId, outcome]));
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
