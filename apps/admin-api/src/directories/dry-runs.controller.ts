import { Body, HttpCode, Param, Post, Req } from '@nestjs/common';
import { IsIn, IsObject, IsOptional, IsString, Matches, MaxLength } from 'class-validator';
import type { FastifyRequest } from 'fastify';
import type { DryRunResult } from '#contracts';
import { Rejected } from '#scim';
import { Needs } from '../http/api-key.guard.js';
import { AdminController } from '../http/admin.controller.js';
import { checked } from '../http/body.guard.js';
import { Documented } from '../http/documented.js';
import { OBJECT, listOf, objectOf } from '../http/shapes.js';
import { DirectoryDryRuns } from './dry-runs.sender.js';

const METHODS = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'] as const;
/** Of an identity provider: how it authenticates is no part of a dry run. */
const HEADERS = ['accept', 'if-match', 'if-none-match'];

class TriedRequest {
  @IsIn(METHODS) method!: (typeof METHODS)[number];
  /** Below the SCIM base URL, with its query. */
  @IsString() @MaxLength(4_000) @Matches(/^\/[\x21-\x7e]*$/) path!: string;
  @IsOptional() @IsObject() headers?: Record<string, unknown>;
  @IsOptional() @IsObject() body?: Record<string, unknown>;
}

const RESULT = objectOf<DryRunResult>({ decisions: listOf(OBJECT), response: OBJECT }, 'DryRun');

@AdminController('directories')
export class DryRunsController {
  constructor(private readonly dryRuns: DirectoryDryRuns) {}

  @Post(':id/dry-run')
  @HttpCode(200)
  @Needs('read')
  @Documented({
    summary: 'Say what would become of a request of SCIM, without doing it',
    description:
      'The answer has the commands that the request would be, and for each of them the attributes that the mapping makes, the rules of matching with everybody whom they know, the events that would happen, and the response. Nothing is written.',
    body: TriedRequest,
    answer: RESULT,
  })
  try(
    @Req() { id: correlationId }: FastifyRequest,
    @Param('id') id: string,
    @Body() content: unknown,
  ): Promise<DryRunResult> {
    const { method, path, headers: given, body } = checked(TriedRequest, content);
    // Null is as if it were not there.
    const headers = given ?? {};
    const wrong = Object.entries(headers).find(
      ([name, value]) =>
        !HEADERS.includes(name.toLowerCase()) || typeof value !== 'string' || !/^[\x20-\x7e]*$/.test(value),
    );
    if (wrong) throw new Rejected('invalidValue', `headers may have ${HEADERS.join(', ')}, each one line of text.`);
    if (method === 'GET' && body)
      throw new Rejected('invalidValue', 'A GET has no body: leave it out, or try another method.');
    return this.dryRuns.of(id, {
      method,
      path,
      headers: headers as Record<string, string>,
      body: body ?? undefined,
      correlationId,
    });
  }
}
