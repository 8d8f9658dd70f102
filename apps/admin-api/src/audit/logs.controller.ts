import { Get, Param, Query, Res } from '@nestjs/common';
import { asNumber } from '../http/query-values.js';
import { Transform } from 'class-transformer';
import { IsInt, IsOptional, Max, Min } from 'class-validator';
import type { FastifyReply } from 'fastify';
import { isUuid } from '#runtime';
import { quote, Rejected } from '#scim';
import {
  carryOut,
  hashLeaf,
  parseTilePath,
  planConsistency,
  planInclusion,
  planRoot,
  TILE_WIDTH,
  writeEntryBundle,
  writeTlogProof,
  type Plan,
  type Proof,
  type Tile,
  base64,
} from '#tlog';
import { AuditController } from '../http/admin.controller.js';
import { Needs } from '../http/api-key.guard.js';
import { checked } from '../http/body.guard.js';
import { Documented } from '../http/documented.js';
import { listOf, NUMBER, objectOf, TEXT, type Shape } from '../http/shapes.js';
import { Logs } from './logs.queries.js';
import { checkTenant, Reads, type Reader } from './reader.guard.js';
import { Where } from './where.queries.js';

const TEXT_UTF8 = 'text/plain; charset=utf-8';
const BYTES = 'application/octet-stream';
/** C2SP tlog-tiles: what is complete does not change again. */
const FOR_EVER = 'private, max-age=31536000, immutable';
/** A checkpoint is replaced by the next one, and a partial tile by a wider one. */
const NOT_KEPT = 'private, no-cache';

const [LEAST, MOST] = [0, Number.MAX_SAFE_INTEGER];

class EntryPlaceQuery {
  /** The number of the entry. */
  @Transform(asNumber) @IsInt() @Min(LEAST) @Max(MOST) number!: number;
}
class InclusionQuery extends EntryPlaceQuery {
  /** Of the tree; left out = that of the newest checkpoint. */
  @IsOptional() @Transform(asNumber) @IsInt() @Min(LEAST) @Max(MOST) size?: number;
}
class ConsistencyQuery {
  /** The size of the earlier tree. */
  @Transform(asNumber) @IsInt() @Min(LEAST) @Max(MOST) from!: number;
  /** The size of the later one; left out = that of the newest checkpoint. */
  @IsOptional() @Transform(asNumber) @IsInt() @Min(LEAST) @Max(MOST) to?: number;
}

interface InclusionProof {
  readonly number: number;
  readonly size: number;
  readonly leafHash: string;
  readonly root: string;
  readonly hashes: readonly string[];
}
interface ConsistencyProof {
  readonly from: number;
  readonly to: number;
  readonly fromRoot: string;
  readonly toRoot: string;
  readonly hashes: readonly string[];
}
const BASE64: Shape = { type: 'string', description: 'A SHA-256 hash in base64.' };
const INCLUSION = objectOf<InclusionProof>(
  { number: NUMBER, size: NUMBER, leafHash: BASE64, root: BASE64, hashes: listOf(BASE64) },
  'InclusionProof',
);
const CONSISTENCY = objectOf<ConsistencyProof>(
  { from: NUMBER, to: NUMBER, fromRoot: BASE64, toRoot: BASE64, hashes: listOf(BASE64) },
  'ConsistencyProof',
);

/**
 * The audit log of a tenant as a transparency log (C2SP tlog-tiles), for programs that verify it. Nothing here is said
 * about people: leaves hold ids and hashes. So these reads are no entries; else a log would grow with each look at it.
 */
@AuditController('logs')
export class LogsController {
  constructor(
    private readonly logs: Logs,
    private readonly where: Where,
  ) {}

  @Get(':tenant/checkpoint')
  @Needs('audit')
  @Documented({
    summary: 'Show the newest checkpoint of the audit log of a tenant',
    description:
      'A C2SP tlog-checkpoint: the size and the root of the tree, signed. The path before `/checkpoint` is the address of the log for any program that reads C2SP tlog-tiles. Reads of checkpoint, tiles and proofs are not recorded as entries: they show nothing about people, and a log would grow by being verified.',
    answer: TEXT,
    mediaType: 'text/plain',
  })
  async checkpoint(
    @Param('tenant') tenant: string,
    @Reads() reader: Reader,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<string> {
    const { checkpoint } = await this.logs.head(await this.tenantOf(tenant, reader));
    void reply.header('content-type', TEXT_UTF8).header('cache-control', NOT_KEPT);
    return checkpoint;
  }

  @Get(':tenant/key')
  @Needs('audit')
  @Documented({
    summary: 'Show the public key that verifies the checkpoints of a tenant',
    description:
      'A C2SP signed-note verifier key, `<name>+<id>+<key>`. Keep it elsewhere: an export is only worth as much as the key that it is verified with.',
    answer: TEXT,
    mediaType: 'text/plain',
  })
  async key(
    @Param('tenant') tenant: string,
    @Reads() reader: Reader,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<string> {
    const { verifierKey } = await this.logs.head(await this.tenantOf(tenant, reader));
    void reply.header('content-type', TEXT_UTF8).header('cache-control', NOT_KEPT);
    return `${verifierKey}\n`;
  }

  @Get(':tenant/tile/*')
  @Needs('audit')
  @Documented({
    summary: 'Show a tile of the tree, or a bundle of entries',
    description:
      'C2SP tlog-tiles: `tile/<level>/<index>[.p/<width>]` has hashes of 32 bytes, `tile/entries/<index>[.p/<width>]` has entries, each behind its length in two bytes. An entry is what was hashed: compact JSON in UTF-8 that says who did what to which id and when, with the hash of the values in place of the values. What is complete does not change again.',
    answer: { type: 'string', format: 'binary' },
    mediaType: BYTES,
  })
  async tile(
    @Param('tenant') tenant: string,
    @Param() params: Readonly<Record<string, string>>,
    @Reads() reader: Reader,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<Buffer> {
    const of = await this.tenantOf(tenant, reader);
    const path = `tile/${params['*']}`;
    const tile = parseTilePath(path);
    const bytes = tile && (await this.bytesOf(of, tile));
    if (!bytes) throw new Rejected('notFound', `The audit log of the tenant ${of} has no ${quote(path)} now.`);
    void reply.header('content-type', BYTES).header('cache-control', tile.width === TILE_WIDTH ? FOR_EVER : NOT_KEPT);
    return bytes;
  }

  @Get(':tenant/proofs/inclusion')
  @Needs('audit')
  @Documented({
    summary: 'Prove that an entry is in the tree of a size',
    description: 'RFC 9162 §2.1.3: the hashes beside the path from the leaf to the root, from the bottom upwards.',
    query: InclusionQuery,
    answer: INCLUSION,
  })
  async inclusion(
    @Param('tenant') tenant: string,
    @Query() query: unknown,
    @Reads() reader: Reader,
  ): Promise<InclusionProof> {
    const of = await this.tenantOf(tenant, reader);
    const { number, ...given } = checked(InclusionQuery, query);
    const size = this.within('size', given.size, (await this.logs.head(of)).size);
    if (number >= size) throw noEntry(number, size);
    return {
      number,
      size,
      leafHash: base64(hashLeaf(await this.logs.entry(of, number))),
      root: base64(await this.carryOut(of, planRoot(size))),
      hashes: (await this.carryOut(of, planInclusion(number, size))).map(base64),
    };
  }

  @Get(':tenant/proofs/consistency')
  @Needs('audit')
  @Documented({
    summary: 'Prove that the log was only appended to between two sizes',
    description: 'RFC 9162 §2.1.4. The roots are those that checkpoints of these sizes have to have.',
    query: ConsistencyQuery,
    answer: CONSISTENCY,
  })
  async consistency(
    @Param('tenant') tenant: string,
    @Query() query: unknown,
    @Reads() reader: Reader,
  ): Promise<ConsistencyProof> {
    const of = await this.tenantOf(tenant, reader);
    const given = checked(ConsistencyQuery, query);
    const to = this.within('to', given.to, (await this.logs.head(of)).size);
    const from = this.within('from', given.from, to);
    return {
      from,
      to,
      fromRoot: base64(await this.carryOut(of, planRoot(from))),
      toRoot: base64(await this.carryOut(of, planRoot(to))),
      hashes: (await this.carryOut(of, planConsistency(from, to))).map(base64),
    };
  }

  @Get(':tenant/proofs/tlog-proof')
  @Needs('audit')
  @Documented({
    summary: 'Show the proof of one entry as a file',
    description:
      'A C2SP tlog-proof against the newest checkpoint; its line `extra` is the entry as it was hashed. Together with the public key it proves alone that the log has this entry.',
    query: EntryPlaceQuery,
    answer: TEXT,
    mediaType: 'text/plain',
  })
  async proofFile(
    @Param('tenant') tenant: string,
    @Query() query: unknown,
    @Reads() reader: Reader,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<string> {
    const of = await this.tenantOf(tenant, reader);
    const { number } = checked(EntryPlaceQuery, query);
    const { size, checkpoint } = await this.logs.head(of);
    if (number >= size) throw noEntry(number, size);
    const hashes: Proof = await this.carryOut(of, planInclusion(number, size));
    const extra = Buffer.from(await this.logs.entry(of, number));
    void reply.header('content-type', TEXT_UTF8).header('cache-control', NOT_KEPT);
    return writeTlogProof({ index: number, hashes, checkpoint, extra });
  }

  private async bytesOf(tenant: string, tile: Tile): Promise<Buffer | null> {
    if (tile.level !== 'entries') {
      const hashes = await this.logs.tile(tenant, tile);
      return hashes && Buffer.from(hashes);
    }
    const entries = await this.logs.bundle(tenant, tile);
    return entries && writeEntryBundle(entries);
  }

  private carryOut<Made>(tenant: string, plan: Plan<Made>): Promise<Made> {
    return carryOut(plan, (tiles) => this.logs.tiles(tenant, tiles));
  }

  private async tenantOf(given: string, { key, concerns }: Reader): Promise<string> {
    if (!isUuid(given))
      throw new Rejected('notFound', `There is no audit log ${quote(given)}: its path has the id of its tenant.`);
    const tenant = await this.where.tenant(given.toLowerCase());
    checkTenant(key, tenant);
    concerns?.(tenant);
    return tenant;
  }

  /** Throws Rejected(invalidValue): the log was never so large. */
  private within(name: string, given: number | undefined, most: number): number {
    if (given !== undefined && given > most)
      throw new Rejected(
        'invalidValue',
        `${name} is ${given}, and the log has ${most} entries there: ask for no more.`,
      );
    return given ?? most;
  }
}

const noEntry = (number: number, size: number): Rejected =>
  new Rejected('notFound', `The audit log has no entry ${number} among its first ${size}: they are numbered from 0.`);
