import { afterEach, beforeEach, expect, it } from 'vitest';
import { roleUrl } from '#event-store';
import { newDatabase } from '../../../test/support/postgres.js';
import { newMessages, newTenant } from './log.contract.js';
import { LogUnavailable } from './log.js';
import { PostgresLog } from './postgres/postgres-log.js';
import { answerQuestions, Questions } from './questions.js';

let log: PostgresLog;
let errors: unknown[];

beforeEach(async () => {
  log = new PostgresLog({
    url: roleUrl(await newDatabase(), 'log'),
    maxBatchMessages: 100,
    keepDays: 7,
    onError: () => undefined,
  });
  errors = [];
});
afterEach(() => log.stop());

const answers = (answer: () => Promise<unknown>): void =>
  answerQuestions(log, 'replay', 'gateway', answer, (error) => void errors.push(error));
const question = () => newMessages(newTenant(), 1)[0]!;

it('a process that cannot answer does not answer for the one that is at work', async () => {
  const { promise: atWork, resolve: done } = Promise.withResolvers<unknown>();
  const { promise: refused, resolve: refuse } = Promise.withResolvers<void>();
  answers(() => Promise.resolve(null));
  answers(() => (refuse(), Promise.reject(new Error('it has no database'))));
  answers(() => atWork);
  const questions = new Questions(log, 'replay', ['gateway'], 60_000);
  await log.start();
  const asked = questions.ask('gateway', question());
  await refused;
  // Their answers would come before this one.
  setImmediate(() => done({ status: 201 }));
  await expect(asked).resolves.toEqual({ status: 201 });
  expect(errors).toMatchObject([{ message: 'it has no database' }]);
}, 60_000);

it('nobody knows the answer when none comes in time', async () => {
  answers(() => Promise.resolve(null));
  const questions = new Questions(log, 'replay', ['gateway'], 50);
  await log.start();
  await expect(questions.ask('gateway', question())).rejects.toBeInstanceOf(LogUnavailable);
}, 60_000);
