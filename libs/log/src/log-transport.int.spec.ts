import { Controller, Module, UseFilters } from '@nestjs/common';
import { MessagePattern, Payload, type MicroserviceOptions } from '@nestjs/microservices';
import { Test } from '@nestjs/testing';
import { expect, it } from 'vitest';
import { roleUrl } from '#event-store';
import { uuidv7 } from '#runtime';
import { newDatabase } from '../../../test/support/postgres.js';
import { HandlerFaultFilter } from './handler-fault.filter.js';
import type { Batch } from './log.js';
import { LogTransport } from './log-transport.js';
import { PostgresLog } from './postgres/postgres-log.js';

const batches: Batch[] = [];
let noticed = (): void => undefined;

@Controller()
@UseFilters(HandlerFaultFilter)
class Consumer {
  @MessagePattern('identity.commands')
  async handle(@Payload() batch: Batch): Promise<void> {
    batches.push(batch);
    noticed();
    if (batches.length === 1) throw new Error('the handler has a bad day');
  }
}

@Module({ controllers: [Consumer] })
class ConsumerModule {}

it('hands a whole batch to a Nest handler, and takes what it throws for the failure that it is', async () => {
  const errors: Error[] = [];
  const log = new PostgresLog({
    url: roleUrl(await newDatabase(), 'log'),
    maxBatchMessages: 10,
    keepDays: 7,
    onError: (error) => errors.push(error),
  });
  const module = await Test.createTestingModule({ imports: [ConsumerModule] }).compile();
  const app = module.createNestMicroservice<MicroserviceOptions>({
    strategy: new LogTransport(
      () => log,
      async () => ({ epoch: 'postgres', nextOffset: 0 }),
    ),
    logger: false,
  });
  await app.listen();
  await log.start();
  try {
    const again = new Promise<void>((done) => (noticed = () => batches.length === 2 && done()));
    const tenant = uuidv7();
    const messages = ['first', 'second'].map((subject) => ({
      id: uuidv7(),
      type: 'muster.test.v1',
      source: 'test',
      subject,
      time: new Date().toISOString(),
      tenant,
      directory: null,
      correlationId: 'c',
      causationId: null,
      data: {},
    }));
    await log.publish('identity.commands', messages);
    await again;
    for (const { received } of batches) expect(received.map(({ message }) => message)).toEqual(messages);
    expect(errors.map(({ message }) => message)).toEqual(['the handler has a bad day']);
  } finally {
    await app.close();
    await log.stop();
  }
});
