import { commandsOf, eventsOf, outcomesOf } from '#contracts';
import { BatchHandler, causedId, dryRun, EventConsumer, NoticeConsumer, OutcomeRetention } from '#event-store';
import { answerQuestions, type Log } from '#log';
import type { Part } from '#runtime';
import type { Consumption, Job, OwnerDefinition, OwnerTools } from './definition.js';

export const NOT_ANSWERED = 'a question was not answered';

/** Lets an owner take its messages from the log, once that is started. Returns its jobs, as a part of the process. */
export const runOwner = (owner: OwnerDefinition, tools: OwnerTools, log: Log): Part => {
  const jobs = [outcomeRetention(owner, tools), ...(owner.jobs?.(tools) ?? [])];
  openLane(owner, tools, log, jobs);
  for (const consumption of owner.consumes ?? []) consume(owner, consumption, tools, log, jobs);
  if (owner.answersDryRuns) {
    const behaviour = owner.behaviour(tools);
    answerQuestions(
      log,
      'dry-run',
      owner.name,
      (question) => dryRun(tools.pool, behaviour, question, new Date()),
      (error, { correlationId }) => tools.logger.warn({ error: String(error), correlationId }, NOT_ANSWERED),
    );
  }
  return {
    name: `jobs of ${owner.name}`,
    start: async () => {
      for (const job of jobs) job.start();
    },
    stop: async () => void (await Promise.all(jobs.map((job) => job.stop()))),
    unready: () => null,
  };
};

/** The log that an owner takes its commands from, and its way of handing on what they became. */
const openLane = (owner: OwnerDefinition, tools: OwnerTools, log: Log, jobs: readonly Job[]): void => {
  const { config, pool, logger, watch } = tools;
  const batches = new BatchHandler(
    pool,
    owner.behaviour(tools),
    () => new Date(),
    (error, message) =>
      logger.error(
        { error: String(error), commandId: message?.id, type: message?.type, correlationId: message?.correlationId },
        'command set aside as dead letter',
      ),
    { maxBytes: config.MAX_BATCH_BYTES, watch },
  );
  const nudged = jobs.filter(({ nudgedBy }) => nudgedBy !== undefined);
  log.subscribe({
    topic: commandsOf(owner.name),
    position: (partition) => batches.position(partition),
    handleBatch: async (batch) => {
      await batches.handle(batch, ({ rows, outcomes }) => {
        log.committed(rows);
        log.broadcast(outcomesOf(owner.name), outcomes);
      });
      for (const job of nudged)
        if (batch.received.some(({ message }) => message && job.nudgedBy!.includes(message.type))) job.nudge!();
    },
  });
};

const consume = (
  { name }: OwnerDefinition,
  consumption: Consumption,
  { pool, logger, watch, send }: OwnerTools,
  log: Log,
  jobs: readonly Job[],
): void => {
  const { source } = consumption;
  if ('notices' in consumption) {
    const notices = new NoticeConsumer(pool, name, source, (tenants) => jobs.forEach((job) => job.notice?.(tenants)));
    log.subscribe({
      topic: eventsOf(source),
      onlyNotices: true,
      position: (partition) => notices.position(partition),
      handleBatch: (batch) => notices.handle(batch),
    });
    return;
  }
  const events = new EventConsumer(pool, {
    owner: name,
    source,
    watch,
    takes:
      'record' in consumption
        ? consumption.record
        : { react: (event) => consumption.react(event, causedId(event, source)), publish: send },
    onDead: (error, { tenant, sequence, type, correlationId }) =>
      logger.error(
        { error: String(error), source, tenant, sequence, type, correlationId },
        'event set aside as dead letter',
      ),
    onCommitted: (rows) => log.committed(rows),
    onUnreadable: (message) =>
      logger.error(
        { id: message?.id, correlationId: message?.correlationId },
        `a message in ${eventsOf(source)} is no event; it is skipped`,
      ),
  });
  log.subscribe({
    topic: eventsOf(source),
    position: (partition) => events.position(partition),
    handleBatch: (batch) => events.handle(batch),
  });
};

const outcomeRetention = ({ name }: OwnerDefinition, { config, pool, logger }: OwnerTools): Job =>
  new OutcomeRetention(pool, name, { keepDays: config.OUTCOME_KEEP_DAYS, logger });
