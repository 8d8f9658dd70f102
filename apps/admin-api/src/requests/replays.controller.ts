import { HttpCode, Param, Post, Req } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import type { ScimResponse } from '#contracts';
import { Reads, type Reader } from '../audit/reader.guard.js';
import type { LaterWrite } from '../audit/replays.queries.js';
import { AdminController, AuditController } from '../http/admin.controller.js';
import { Needs } from '../http/api-key.guard.js';
import { Asks, type Asked } from '../http/asked.guard.js';
import { Documented } from '../http/documented.js';
import { ID, listOf, MOMENT, nullable, NUMBER, OBJECT, objectOf, TEXT, type Shape } from '../http/shapes.js';
import { SentAgain, type DryReplay, type SentReplay } from './replays.sender.js';

const RESPONSE = objectOf<ScimResponse>({ status: NUMBER, headers: OBJECT, body: {} as Shape }, 'ScimResponse');
const DRY_REPLAY = objectOf<DryReplay>(
  {
    decisions: listOf(OBJECT),
    response: RESPONSE,
    refusal: nullable(TEXT),
    later: nullable(objectOf<LaterWrite>({ id: ID, at: MOMENT })),
  },
  'DryReplay',
);
const SENT_REPLAY = objectOf<SentReplay>(
  { id: ID, replayOf: ID, tenant: ID, directory: ID, correlationId: TEXT, response: RESPONSE },
  'SentReplay',
);

/** Tries requests that were refused: nothing is changed, and what is read is the audit log. */
@AuditController('requests')
export class DryReplaysController {
  constructor(private readonly sentAgain: SentAgain) {}

  @Post(':id/dry-run')
  @HttpCode(200)
  @Needs('audit')
  @Documented({
    summary: 'Say what would become of a request if it were sent again, without sending it',
    description:
      'The answer is that of a dry run of a directory. `refusal` says why the request is not sent again as things are now, and `later` is the last write of the same user or group that was done since.',
    answer: DRY_REPLAY,
  })
  try(@Param('id') id: string, @Reads() reader: Reader): Promise<DryReplay> {
    return this.sentAgain.dryRun(reader, id);
  }
}

/** Sends requests again: that changes users and groups, and its answer shows what a body of the audit log says. */
@AdminController('requests')
export class ReplaysController {
  constructor(private readonly sentAgain: SentAgain) {}

  @Post(':id/replay')
  @HttpCode(200)
  @Needs('manage', 'tenant', 'audit')
  @Documented({
    summary: 'Send a write of SCIM that was refused once more, as the directory that sent it',
    description:
      'It takes the way of any request of its directory: the same mapping, matching, switches and limits. The answer is a 200 also where the request is refused again: `response` is the answer of SCIM. It is recorded under the key and the directory, with `replayOf`. One that was done, or that cannot be sent as it was, is a 409.',
    answer: SENT_REPLAY,
  })
  send(@Param('id') id: string, @Asks() asked: Asked, @Req() { ip, headers }: FastifyRequest): Promise<SentReplay> {
    return this.sentAgain.send(asked, id, { address: ip, userAgent: headers['user-agent'] ?? null });
  }
}
