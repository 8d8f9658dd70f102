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
import type { GroupRow, GroupSnapshot } from '#contracts';
import { isUuid, type Config } from '#runtime';
import { GROUP, parseShown, quote, Rejected, type Selection } from '#scim';
import { CONFIG, GROUP_QUERIES } from '../injected.js';
import { GroupCommands, type WriteAnswer } from '../write/commands.sender.js';
import { MemberQueries } from '../read/members.queries.js';
import type { ResourceQueries } from '../read/resource.queries.js';
import { ScimTokenGuard, type ScimRequest } from './scim-token.guard.js';
import { isNotModified, preconditionsOf, refuseIfNoneMatch } from '../write/preconditions.js';
import { headersOf, ofGroupRow, patchesGroupsBlindly } from '../read/to-response.js';

type Parameters = Readonly<Record<string, unknown>>;

/** RFC 7644 §3 for one group. Its members are streamed, because there may be very many. */
@Controller('api/scim/v2/Groups')
@UseGuards(ScimTokenGuard)
export class GroupsController {
  constructor(
    @Inject(GROUP_QUERIES) private readonly groups: ResourceQueries<GroupRow>,
    private readonly members: MemberQueries,
    private readonly commands: GroupCommands,
    @Inject(CONFIG) private readonly config: Config,
  ) {}

  @Get(':id')
  async get(
    @Req() request: ScimRequest,
    @Param('id') id: string,
    @Query() query: Parameters,
    @Headers('if-none-match') ifNoneMatch: string | undefined,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<object | undefined> {
    const selection = parseShown(request.caller.definitions.group, query);
    const row = isUuid(id) ? await this.groups.byId(request.caller, id) : null;
    if (!row) throw new Rejected('notFound', `There is no group with the id ${isUuid(id) ? id : quote(id)}.`);
    if (isNotModified(ifNoneMatch, row.version)) {
      void reply.headers(headersOf(this.config.scimBaseUrl, GROUP, row, selection === undefined)).status(304);
      return undefined;
    }
    return this.answer(ofGroupRow(row), request, selection, reply);
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
    const selection = parseShown(request.caller.definitions.group, query);
    const group = await this.commands.create(request.caller, body);
    return this.answer(group, request, selection, reply);
  }

  /**
   * Entra is answered 204, as Microsoft asks for it, because the group may be large. Typed clients want the group back.
   * RFC 7644 §3.5.2: with `attributes` the answer has to be the group.
   */
  @Patch(':id')
  async patch(
    @Req() request: ScimRequest,
    @Param('id') id: string,
    @Body() body: unknown,
    @Query() query: Parameters,
    @Headers() headers: FastifyRequest['headers'],
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<object | undefined> {
    const selection = parseShown(request.caller.definitions.group, query);
    const group = await this.commands.patch(request.caller, { id, body, ...preconditionsOf(headers) });
    if (selection?.kind === 'only' || !patchesGroupsBlindly(request.caller))
      return this.answer(group, request, selection, reply);
    void reply.headers(headersOf(this.config.scimBaseUrl, GROUP, group, false)).status(204);
    return undefined;
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
    const selection = parseShown(request.caller.definitions.group, query);
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
    written: WriteAnswer<GroupSnapshot>,
    { caller }: ScimRequest,
    selection: Selection | undefined,
    reply: FastifyReply,
  ): Promise<object> {
    const group = 'resource' in written ? written : ofGroupRow(await this.groups.afterWrite(caller, written.id));
    void reply.headers(headersOf(this.config.scimBaseUrl, GROUP, group, selection === undefined));
    return this.members.show(caller, group, selection);
  }
}
