import {
  Body,
  Controller,
  Delete,
  Get,
  Headers,
  HttpCode,
  Inject,
  Param,
  Patch,
  Post,
  Put,
  Query,
  Req,
  Res,
  UseGuards,
} from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { UserRow, UserSnapshot } from '#contracts';
import { isUuid, type Config } from '#runtime';
import { parseShown, quote, Rejected, USER, type Selection } from '#scim';
import { CONFIG, USER_QUERIES } from '../injected.js';
import { UserCommands, type WriteAnswer } from '../write/commands.sender.js';
import type { ResourceQueries } from '../read/resource.queries.js';
import { ScimTokenGuard, type ScimRequest } from './scim-token.guard.js';
import { isNotModified, preconditionsOf, refuseIfNoneMatch } from '../write/preconditions.js';
import { groupsSeen, headersOf, ofUserRow, toUser, wantsGroups } from '../read/to-response.js';

type Parameters = Readonly<Record<string, unknown>>;

/**
 * RFC 7644 §3 for one user. Reads come from the published view; writes become commands and are answered from their
 * outcomes.
 */
@Controller('api/scim/v2/Users')
@UseGuards(ScimTokenGuard)
export class UsersController {
  constructor(
    @Inject(USER_QUERIES) private readonly users: ResourceQueries<UserRow>,
    private readonly commands: UserCommands,
    @Inject(CONFIG) private readonly config: Config,
  ) {}

  @Get(':id')
  async get(
    @Req() { caller }: ScimRequest,
    @Param('id') id: string,
    @Query() query: Parameters,
    @Headers('if-none-match') ifNoneMatch: string | undefined,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<object | undefined> {
    const selection = parseShown(caller.definitions.user, query);
    const row = isUuid(id) ? await this.users.byId(caller, id) : null;
    if (!row) throw new Rejected('notFound', `There is no user with the id ${isUuid(id) ? id : quote(id)}.`);
    const user = ofUserRow(row);
    void reply.headers(headersOf(this.config.scimBaseUrl, USER, user, selection === undefined));
    // Memberships do not change the version of a user, so an answer that shows them is never a 304.
    const showsGroups = groupsSeen(user, caller).length > 0 && wantsGroups(selection);
    if (!showsGroups && isNotModified(ifNoneMatch, user.version)) {
      void reply.status(304);
      return undefined;
    }
    return toUser(user, caller, this.config.scimBaseUrl, selection);
  }

  @Post()
  async create(
    @Req() request: ScimRequest,
    @Body() body: unknown,
    @Query() query: Parameters,
    @Headers('if-none-match') ifNoneMatch: string | undefined,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<object> {
    refuseIfNoneMatch(ifNoneMatch);
    const selection = parseShown(request.caller.definitions.user, query);
    const user = await this.commands.create(request.caller, body);
    return this.answer(user, request, selection, reply);
  }

  @Patch(':id')
  @HttpCode(200)
  async patch(
    @Req() request: ScimRequest,
    @Param('id') id: string,
    @Body() body: unknown,
    @Query() query: Parameters,
    @Headers() headers: FastifyRequest['headers'],
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<object> {
    const selection = parseShown(request.caller.definitions.user, query);
    return this.answer(
      await this.commands.patch(request.caller, { id, body, ...preconditionsOf(headers) }),
      request,
      selection,
      reply,
    );
  }

  @Put(':id')
  async replace(
    @Req() request: ScimRequest,
    @Param('id') id: string,
    @Body() body: unknown,
    @Query() query: Parameters,
    @Headers() headers: FastifyRequest['headers'],
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<object> {
    const selection = parseShown(request.caller.definitions.user, query);
    return this.answer(
      await this.commands.replace(request.caller, { id, body, ...preconditionsOf(headers) }),
      request,
      selection,
      reply,
    );
  }

  @Delete(':id')
  @HttpCode(204)
  delete(
    @Req() { caller }: ScimRequest,
    @Param('id') id: string,
    @Headers() headers: FastifyRequest['headers'],
  ): Promise<void> {
    return this.commands.delete(caller, { id, ...preconditionsOf(headers) });
  }

  private async answer(
    written: WriteAnswer<UserSnapshot>,
    { caller }: ScimRequest,
    selection: Selection | undefined,
    reply: FastifyReply,
  ): Promise<object> {
    const user =
      'resource' in written
        ? await this.users.written(caller, written, selection)
        : ofUserRow(await this.users.written(caller, await this.users.afterWrite(caller, written.id), selection));
    void reply.headers(headersOf(this.config.scimBaseUrl, USER, user, selection === undefined));
    return toUser(user, caller, this.config.scimBaseUrl, selection);
  }
}
