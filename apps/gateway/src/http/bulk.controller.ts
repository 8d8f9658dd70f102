import { Body, Controller, HttpCode, Inject, Post, Req, UseGuards } from '@nestjs/common';
import type { StoredValue } from '#contracts';
import type { FailedOperation } from '#owner';
import { isUuid, Pace, uuidv7, type Config } from '#runtime';
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
import { nameIn, noteFailed } from './told-requests.guard.js';

/** So many writes of one bulk request are under way at a time: as many as go into one transaction of the owner. */
const MAX_WRITES_TOGETHER = 50;
/**
 * A bulk request takes at most this share of what a tenant may have under way, so that its own writes are not refused
 * for it and other requests of the tenant find room.
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
    // The request would keep the body in memory until the last operation is done.
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
        // The memory of a request is counted only while its connection is there: 250 bulk requests whose clients had
        // left held 2.9 GB.
        requireToken: () => {
          caller.requireClient();
          return caller.requireToken();
        },
        countedBytes: (bodyBytes) => this.commands.bytesOf({ tenant: caller.tenant, bodyBytes }),
      },
    );
    noteFailed(request, answers.flatMap(failedOf));
    return { schemas: [BULK_RESPONSE_URN], Operations: answers.map((answer) => this.answer(caller, answer)) };
  }

  /**
   * Reads the request in slices, when it is the tenant's turn: nothing of it has been carried out yet. Throws what
   * `work` throws, and Rejected(tooManyRequests).
   */
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

  /** §3.7.3: each answer has its location, but for a POST that failed and an operation whose path leads nowhere. */
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

/** The record of an operation that failed; `#3` in its path is its place in the request. */
const failedOf = ({ operation, result }: BulkAnswer): FailedOperation[] => {
  if (!(result instanceof Rejected)) return [];
  const { index, method, place, write } = operation;
  const { status, scimType, detail } = errorBody(result.code, result.detail);
  const target = place?.target ?? null;
  return [
    {
      // A client may write anything there.
      method: method !== undefined && method in STATUS ? method : '?',
      fragment: `${index + 1}${place ? `${place.definition.endpoint}${target === null ? '' : `/${target}`}` : ''}`,
      resourceType: place?.definition.name ?? null,
      object: target !== null && isUuid(target) ? target.toLowerCase() : null,
      name: write instanceof Rejected ? null : nameIn(write.data),
      status: Number(status),
      scimType: scimType ?? null,
      detail,
    },
  ];
};

const written = ({ id, version }: StoredValue): Written => ({ id, version, isNew: false });

/** The status that each operation would have got as a request of its own; the PATCH of a group is a 204 for Entra. */
const STATUS: Readonly<Record<BulkMethod, number>> = { POST: 201, PUT: 200, PATCH: 200, DELETE: 204 };
