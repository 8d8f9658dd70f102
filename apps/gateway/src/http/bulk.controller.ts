import { Body, Controller, HttpCode, Inject, Post, Req, UseGuards } from '@nestjs/common';
import type { StoredValue } from '#contracts';
import { Pace, uuidv7, type Config } from '#runtime';
import {
  BULK_RESPONSE_URN,
  errorBody,
  errorStatus,
  GROUP,
  parseBulk,
  readBulkBody,
  Rejected,
  USER,
  type BulkMethod,
  type BulkWrite,
} from '#scim';
import { busy } from '../busy.filter.js';
import type { Caller } from '../caller.js';
import { CONFIG } from '../injected.js';
import { etag, locationOf, patchesGroupsBlindly } from '../read/to-response.js';
import { sendBulk, type BulkAnswer, type Written } from '../write/bulk.sender.js';
import { Commands, GroupCommands, UserCommands } from '../write/commands.sender.js';
import { ScimTokenGuard, type ScimRequest } from './scim-token.guard.js';

/** Writes of one bulk request that are under way at a time; as many go into one transaction of the owner. */
const MAX_WRITES_TOGETHER = 50;
/**
 * Of what a tenant may have under way, so that others of its requests find room, and none of its own is refused for it.
 */
const SHARE_OF_TENANT = 1 / 2;

/**
 * RFC 7644 §3.7: many writes in one request, each as if it had been sent alone, and none of them undone for the fault
 * of another.
 */
@Controller('api/scim/v2/Bulk')
@UseGuards(ScimTokenGuard)
export class BulkController {
  constructor(
    private readonly commands: Commands,
    private readonly users: UserCommands,
    private readonly groups: GroupCommands,
    private readonly pace: Pace,
    @Inject(CONFIG) private readonly config: Config,
  ) {}

  @Post()
  @HttpCode(200)
  async bulk(@Req() request: ScimRequest, @Body() body: Uint8Array | undefined): Promise<object> {
    const { caller } = request;
    // It would be held until the last operation has been carried out.
    request.body = undefined;
    const {
      MAX_BODY_BYTES,
      MAX_BULK_OPERATIONS,
      MAX_COMMANDS_IN_FLIGHT_PER_TENANT,
      MAX_COMMAND_BYTES_IN_FLIGHT_PER_TENANT,
    } = this.config;
    const json = body && (await this.inTurns(caller, readBulkBody(body, MAX_BULK_OPERATIONS, MAX_BODY_BYTES)));
    const answers = await sendBulk(
      await this.inTurns(caller, parseBulk(json, MAX_BULK_OPERATIONS)),
      (write, bodyBytes) => this.write({ ...caller, bodyBytes }, write),
      {
        maxWrites: Math.min(
          MAX_WRITES_TOGETHER,
          Math.max(1, Math.floor(MAX_COMMANDS_IN_FLIGHT_PER_TENANT * SHARE_OF_TENANT)),
        ),
        maxBytes: MAX_COMMAND_BYTES_IN_FLIGHT_PER_TENANT * SHARE_OF_TENANT,
        maxBytesEach: MAX_BODY_BYTES,
        requireToken: () => {
          requireClient(request);
          return caller.requireToken();
        },
        countedBytes: (bodyBytes) => this.commands.bytesOf({ tenant: caller.tenant, bodyBytes }),
      },
    );
    return { schemas: [BULK_RESPONSE_URN], Operations: answers.map((answer) => this.answer(caller, answer)) };
  }

  /** Nothing has been begun yet. Throws what `work` throws, and Rejected(tooManyRequests). */
  private async inTurns<Result>({ tenant }: Caller, work: Iterator<void, Result>): Promise<Result> {
    try {
      return await this.pace.stepwise(tenant, work);
    } catch (error) {
      throw busy(error);
    }
  }

  private async write(caller: Caller, { method, definition, target, version, data }: BulkWrite): Promise<Written> {
    const owner = definition === USER ? this.users : this.groups;
    if (method === 'POST') {
      const id = uuidv7();
      const made = await owner.create(caller, data, id);
      return { ...written(made), isNew: made.id === id };
    }
    const wanted = { id: target!, body: data, ifMatch: version };
    if (method === 'PUT') return written(await owner.replace(caller, wanted));
    if (method === 'PATCH') return written(await owner.patch(caller, wanted));
    await owner.delete(caller, wanted);
    return { id: target!, version: null, isNew: false };
  }

  /** §3.7.3: everything has its location but a POST that failed, and what points nowhere. */
  private answer(caller: Caller, { operation: { method, bulkId, place }, result }: BulkAnswer): object {
    const head = { ...(method === undefined ? {} : { method }), ...(bulkId === undefined ? {} : { bulkId }) };
    const location = (id: string): { location: string } => ({
      location: locationOf(this.config.scimBaseUrl, place!.definition, id),
    });
    if (result instanceof Rejected) {
      const { code, detail } = result;
      const isSomewhere = place && place.target !== null && !place.target.startsWith('bulkId:');
      return {
        ...(isSomewhere && method !== 'POST' ? location(place.target) : {}),
        ...head,
        status: String(errorStatus(code)),
        response: errorBody(code, detail),
      };
    }
    const { id, version } = result;
    const status =
      method === 'PATCH' && place!.definition === GROUP && patchesGroupsBlindly(caller)
        ? 204
        : STATUS[method as BulkMethod];
    return {
      ...location(id),
      ...head,
      ...(version === null ? {} : { version: etag(version) }),
      status: String(status),
    };
  }
}

/**
 * Throws Rejected once the client has hung up: nobody would hear what became of the rest, and what the request holds is
 * counted only as long as its connection is there. 250 requests that were sent and left held 2.9 GB.
 */
const requireClient = ({ raw }: ScimRequest): void => {
  if (raw.socket.destroyed) throw new Rejected('unavailable', 'The client has hung up.');
};

const written = ({ id, version }: StoredValue): Written => ({ id, version, isNew: false });

/** The status that a request of its own would have got; the PATCH of a group is a 204 for Entra. */
const STATUS: Readonly<Record<BulkMethod, number>> = { POST: 201, PUT: 200, PATCH: 200, DELETE: 204 };
