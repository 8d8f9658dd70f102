import { Body, Controller, Delete, Get, Headers, HttpCode, Inject, Param, Patch, Post, Put, Query, Req, Res, UseGuards } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import type { Outcome, UserCommand, UserSnapshot } from '#contracts';
import { LogUnavailable, type RequestReply } from '#log';
import { isUuid, uuidv7, type Config } from '#runtime';
import { parsePatch, parseReplacement, parseResource, parseSelection, quote, Rejected, USER, type Selection } from '#scim';
import { ScimTokenGuard, type ScimRequest } from './scim-token.guard.js';
import { toCommand, toVersions } from './to-command.js';
import { ofRow, toUser, userLocation } from './to-response.js';
import { UserQueries } from './user.queries.js';

export const IDENTITY_REQUESTS = Symbol('RequestReply of identity');
export const CONFIG = Symbol('Config');

/** RFC 7644 §3 for one user. Reads come from the published view, writes become commands and are answered from their outcome. */
@Controller('api/scim/v2/Users')
@UseGuards(ScimTokenGuard)
export class UsersController {
  /** Of each tenant. */
  private readonly inFlight = new Map<string, { commands: number; bytes: number }>();

  constructor(
    private readonly users: UserQueries,
    @Inject(IDENTITY_REQUESTS) private readonly identity: RequestReply,
    @Inject(CONFIG) private readonly config: Config,
  ) {}

  @Get(':id')
  async get(
    @Req() request: ScimRequest, @Param('id') id: string, @Query() query: Readonly<Record<string, string | undefined>>,
    @Headers('if-none-match') ifNoneMatch: string | undefined, @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<object | undefined> {
    const selection = parseSelection(USER, query.attributes, query.excludedAttributes);
    const row = isUuid(id) ? await this.users.byId(request.caller, id) : null;
    if (!row) throw notFound(id);
    void reply.header('etag', etag(row.version));
    if (ifNoneMatch !== undefined && (ifNoneMatch.trim() === '*' || toVersions(ifNoneMatch, 'If-None-Match')?.includes(row.version))) {
      void reply.status(304);
      return undefined;
    }
    return toUser(ofRow(row), this.config.scimBaseUrl, selection);
  }

  @Post()
  async create(
    @Req() request: ScimRequest, @Body() body: unknown, @Query() query: Readonly<Record<string, string | undefined>>,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<object> {
    const selection = parseSelection(USER, query.attributes, query.excludedAttributes);
    const { resource } = parseResource(USER, body);
    return this.answer(await this.send(request, { type: 'CreateUser', userId: uuidv7(), resource }), selection, reply, true);
  }

  @Patch(':id')
  @HttpCode(200)
  async patch(
    @Req() request: ScimRequest, @Param('id') id: string, @Body() body: unknown,
    @Query() query: Readonly<Record<string, string | undefined>>, @Headers('if-match') ifMatch: string | undefined,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<object> {
    const selection = parseSelection(USER, query.attributes, query.excludedAttributes);
    const { operations } = parsePatch(USER, body);
    if (!isUuid(id)) throw notFound(id);
    const userId = id.toLowerCase();
    const command: UserCommand = { type: 'PatchUser', userId, operations, ifMatch: toVersions(ifMatch) };
    return this.answer(await this.send(request, command), selection, reply, false);
  }

  @Put(':id')
  async replace(
    @Req() request: ScimRequest, @Param('id') id: string, @Body() body: unknown,
    @Query() query: Readonly<Record<string, string | undefined>>, @Headers('if-match') ifMatch: string | undefined,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<object> {
    const selection = parseSelection(USER, query.attributes, query.excludedAttributes);
    const { resource } = parseReplacement(USER, body);
    // RFC 7644 §3.5.1: a PUT never creates.
    if (!isUuid(id)) throw notFound(id);
    const command: UserCommand = { type: 'ReplaceUser', userId: id.toLowerCase(), resource, ifMatch: toVersions(ifMatch) };
    return this.answer(await this.send(request, command), selection, reply, false);
  }

  @Delete(':id')
  @HttpCode(204)
  async delete(
    @Req() request: ScimRequest, @Param('id') id: string, @Headers('if-match') ifMatch: string | undefined,
  ): Promise<void> {
    if (!isUuid(id)) throw notFound(id);
    await this.send(request, { type: 'DeleteUser', userId: id.toLowerCase(), ifMatch: toVersions(ifMatch) });
  }

  /** Throws Rejected: what the owner said, or 429 above the tenant's limits, or 503 when nobody can say what became of it. */
  private async send({ caller, headers }: ScimRequest, command: UserCommand): Promise<UserSnapshot | null> {
    const { MAX_COMMANDS_IN_FLIGHT_PER_TENANT: maxCommands, MAX_COMMAND_BYTES_IN_FLIGHT_PER_TENANT: maxBytes } = this.config;
    const inFlight = this.inFlight.get(caller.tenant) ?? { commands: 0, bytes: 0 };
    // A body that comes in pieces does not say how long it is.
    const bytes = Number(headers['content-length'] ?? (headers['transfer-encoding'] === undefined ? 0 : this.config.MAX_BODY_BYTES));
    if (inFlight.commands >= maxCommands) {
      throw new Rejected('tooManyRequests', `More than ${maxCommands} writes are under way for this tenant: send the next ones later.`);
    }
    // One alone is always let in: its length has a limit of its own.
    if (inFlight.commands > 0 && inFlight.bytes + bytes > maxBytes) {
      throw new Rejected('tooManyRequests', `Writes of more than ${maxBytes} bytes are under way for this tenant: send the next ones later.`);
    }
    inFlight.commands++;
    inFlight.bytes += bytes;
    this.inFlight.set(caller.tenant, inFlight);
    let outcome: Outcome;
    try {
      const id = uuidv7();
      outcome = await this.identity.request(
        toCommand(command, {
          ...caller, id, correlationId: id, now: new Date(), expiresAfterMs: this.config.COMMAND_EXPIRES_AFTER_MS,
        }),
      );
    } catch (error) {
      if (error instanceof LogUnavailable) {
        throw new Rejected('unavailable', 'The write could not be confirmed: the message log or the database is away. Send it again.');
      }
      throw error;
    } finally {
      inFlight.commands--;
      inFlight.bytes -= bytes;
      if (inFlight.commands === 0) this.inFlight.delete(caller.tenant);
    }
    if (outcome.status === 'rejected') throw new Rejected(outcome.code, outcome.detail);
    return outcome.value as UserSnapshot | null;
  }

  private answer(snapshot: UserSnapshot | null, selection: Selection | undefined, reply: FastifyReply, created: boolean): object {
    if (!snapshot) throw new Rejected('internal', 'The outcome shows no user.');
    void reply.header('etag', etag(snapshot.version));
    if (created) void reply.header('location', userLocation(this.config.scimBaseUrl, snapshot.id));
    return toUser(snapshot, this.config.scimBaseUrl, selection);
  }
}

const etag = (version: number): string => `W/"${version}"`;

const notFound = (id: string): Rejected => new Rejected('notFound', `There is no user with the id ${isUuid(id) ? id : quote(id)}.`);
