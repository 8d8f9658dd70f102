import { randomUUID } from 'node:crypto';
import { ANSWER_TYPES, answersOf, questionsOf, type AnswerData, type Message, type QuestionKind } from '#contracts';
import { LogUnavailable, type Log } from './log.js';

/** So many questions wait for an answer here, and as many are answered one after the other there. */
const MAX_WAITING = 100;

/** Asks services. No question is stored, and what is lost is asked again by whoever wants to know. */
export class Questions {
  private readonly waiting = new Map<string, (answer: unknown) => void>();

  /** `services` are those that are asked. Before the log is started. */
  constructor(
    private readonly log: Log,
    private readonly kind: QuestionKind,
    services: readonly string[],
    readonly timeoutMs: number,
  ) {
    for (const service of services)
      log.listen(answersOf(service, kind), ({ data }) => {
        const { question, answer } = data as AnswerData;
        // A process that cannot answer does not speak for the others, of which one may be at work.
        if (answer !== null) this.waiting.get(question)?.(answer);
      });
  }

  /** Resolves with the first answer. Throws LogUnavailable when there is none in time. */
  async ask(service: string, question: Message): Promise<unknown> {
    if (this.waiting.size >= MAX_WAITING) throw new LogUnavailable('Too many questions wait for their answer.');
    const { promise, resolve } = Promise.withResolvers<unknown>();
    const timer = setTimeout(() => resolve(null), this.timeoutMs);
    this.waiting.set(question.id, resolve);
    try {
      this.log.broadcast(questionsOf(service, this.kind), [question]);
      const answer = await promise;
      if (answer === null) throw new LogUnavailable(`The ${service} gave no answer to a ${this.kind}.`);
      return answer;
    } finally {
      clearTimeout(timer);
      this.waiting.delete(question.id);
    }
  }
}

/**
 * Answers the questions that a service is asked, one after the other. Before the log is started. `answer` may give null
 * or throw: then this process answers nothing, because another one of the service may, and an error is for its log.
 */
export const answerQuestions = (
  log: Log,
  kind: QuestionKind,
  service: string,
  answer: (question: Message) => Promise<unknown>,
  onError: (error: unknown, question: Message) => void,
): void => {
  let waiting = 0;
  let last = Promise.resolve();
  log.listen(questionsOf(service, kind), (question) => {
    if (waiting >= MAX_WAITING) return;
    waiting++;
    last = last
      .then(() => answer(question))
      .catch((error: unknown) => (onError(error, question), null))
      .then((found) => {
        waiting--;
        if (found === null) return;
        const { id, tenant, directory, subject, correlationId } = question;
        log.broadcast(answersOf(service, kind), [
          {
            id: randomUUID(),
            type: ANSWER_TYPES[kind],
            source: `muster/${service}`,
            subject,
            time: new Date().toISOString(),
            tenant,
            directory,
            correlationId,
            causationId: id,
            data: { question: id, answer: found } satisfies AnswerData,
          },
        ]);
      });
  });
};
