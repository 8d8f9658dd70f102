import { randomUUID } from 'node:crypto';
import { DRY_RUN_ANSWER_TYPE, dryRunAnswersOf, dryRunsOf, type DryRunAnswer, type Message } from '#contracts';
import { LogUnavailable, type Log } from './log.js';

/** So many questions wait for an answer here, and as many are answered one after the other there. */
const MAX_WAITING = 100;

/** Asks services what they would do. Nothing is stored, and what is lost is asked again by whoever wants to know. */
export class DryRuns {
  private readonly waiting = new Map<string, (answer: unknown) => void>();

  /** `services` are those that are asked. Before the log is started. */
  constructor(
    private readonly log: Log,
    services: readonly string[],
    private readonly timeoutMs: number,
  ) {
    for (const service of services)
      log.listen(dryRunAnswersOf(service), ({ data }) => {
        const { question, answer } = data as DryRunAnswer;
        this.waiting.get(question)?.(answer);
      });
  }

  /** Resolves with the first answer. Throws LogUnavailable when there is none in time, or the service could give none. */
  async ask(service: string, question: Message): Promise<unknown> {
    if (this.waiting.size >= MAX_WAITING) throw new LogUnavailable('Too many dry runs wait for their answer.');
    const { promise, resolve } = Promise.withResolvers<unknown>();
    const timer = setTimeout(() => resolve(null), this.timeoutMs);
    this.waiting.set(question.id, resolve);
    try {
      this.log.broadcast(dryRunsOf(service), [question]);
      const answer = await promise;
      if (answer === null) throw new LogUnavailable(`The ${service} gave no answer to a dry run.`);
      return answer;
    } finally {
      clearTimeout(timer);
      this.waiting.delete(question.id);
    }
  }
}

/**
 * Answers the questions that a service is asked, one after the other. Before the log is started. `answer` may throw:
 * then nobody is answered but the log of the service.
 */
export const answerDryRuns = (
  log: Log,
  service: string,
  answer: (question: Message) => Promise<unknown>,
  onError: (error: unknown, question: Message) => void,
): void => {
  let waiting = 0;
  let last = Promise.resolve();
  log.listen(dryRunsOf(service), (question) => {
    if (waiting >= MAX_WAITING) return;
    waiting++;
    last = last
      .then(() => answer(question))
      .catch((error: unknown) => (onError(error, question), null))
      .then((found) => {
        waiting--;
        const { id, tenant, directory, subject, correlationId } = question;
        log.broadcast(dryRunAnswersOf(service), [
          {
            id: randomUUID(),
            type: DRY_RUN_ANSWER_TYPE,
            source: `muster/${service}`,
            subject,
            time: new Date().toISOString(),
            tenant,
            directory,
            correlationId,
            causationId: id,
            data: { question: id, answer: found } satisfies DryRunAnswer,
          },
        ]);
      });
  });
};
