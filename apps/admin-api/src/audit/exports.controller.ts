import { Get, Query, Res, StreamableFile } from '@nestjs/common';
import { Transform } from 'class-transformer';
import { IsBoolean, IsIn, IsInt, IsOptional, IsString, IsUUID, Matches, Max, MaxLength, Min } from 'class-validator';
import type { FastifyReply } from 'fastify';
import { EXPORT_KINDS, type ExportPlan } from '#contracts';
import { isUuid } from '#runtime';
import { MAX_KEY_CHARACTERS, Rejected } from '#scim';
import { base64, carryOut, planConsistency, planInclusions, planTree, type Tile } from '#tlog';
import { AuditController } from '../http/admin.controller.js';
import { Needs } from '../http/api-key.guard.js';
import { checked } from '../http/body.guard.js';
import { Documented } from '../http/documented.js';
import { asNumber, asBoolean, lowerCase, NOT_BLANK } from '../http/query-values.js';
import { ID, listOf, nullable, NUMBER, objectOf, oneOf, TEXT } from '../http/shapes.js';
import { CSV_HEAD, csvLine, jsonLine, valuesOf, type ExportRow } from './export-lines.js';
import { Exports, type Exported } from './exports.queries.js';
import { Histories } from './histories.queries.js';
import { Logs, type LogHead } from './logs.queries.js';
import { timespanIn } from './moments.js';
import { People } from './people.queries.js';
import { checkTenant, Reads, type Reader } from './reader.guard.js';
import { Readings } from './readings.sender.js';
import { MAX_IDLE_MS, RunningExports, takenStream } from './running-exports.guard.js';
import { Where } from './where.queries.js';
import type { Reading } from './words.js';

const PIECE_CHARACTERS = 131_072;

const MEDIA_TYPES = { jsonl: 'application/jsonl', csv: 'text/csv; charset=utf-8' } as const;

class PlanQuery {
  /** The id of a tenant; left out = that of the person, or the first one. INSTALLATION is one. */
  @IsOptional() @Transform(lowerCase) @IsUUID() tenant?: string;
  /** Only entries of one person, by any identifier that the person has or ever had. */
  @IsOptional() @IsString() @Matches(/\S/, NOT_BLANK) @MaxLength(MAX_KEY_CHARACTERS) person?: string;
  /** The number of the first entry. */
  @IsOptional() @Transform(asNumber) @IsInt() @Min(0) @Max(Number.MAX_SAFE_INTEGER) from?: number;
  /** The number behind the last entry. */
  @IsOptional() @Transform(asNumber) @IsInt() @Min(0) @Max(Number.MAX_SAFE_INTEGER) to?: number;
  /** Not before this moment, such as 2026-01-31T12:00:00Z, or this day. */
  @IsOptional() @IsString() since?: string;
  /** Before this moment, or this day. */
  @IsOptional() @IsString() until?: string;
  /**
   * With `person`: the leaves of all entries of the timespan, and what those of the person say: it proves that nothing
   * else happened to this person.
   */
  @IsOptional() @Transform(asBoolean) @IsBoolean() absence = false;
}

class ExportQuery extends PlanQuery {
  @IsOptional() @IsIn(Object.keys(MEDIA_TYPES)) format: keyof typeof MEDIA_TYPES = 'jsonl';
  /** The size of the tree that inclusion proofs are for; left out = that of the newest checkpoint. Later entries are left out. */
  @IsOptional() @Transform(asNumber) @IsInt() @Min(0) @Max(Number.MAX_SAFE_INTEGER) size?: number;
  /** False: without the readable values of what is sealed. Everything that is proved is there all the same. */
  @IsOptional() @Transform(asBoolean) @IsBoolean() values = true;
}

const PLAN = objectOf<ExportPlan>(
  {
    kind: oneOf(EXPORT_KINDS),
    tenant: ID,
    person: nullable(ID),
    since: nullable(TEXT),
    until: nullable(TEXT),
    from: NUMBER,
    to: NUMBER,
    size: NUMBER,
    checkpoint: TEXT,
    verifierKey: TEXT,
    before: listOf(TEXT),
    after: listOf(TEXT),
    purge: nullable(TEXT),
  },
  'ExportPlan',
);

interface Chosen {
  readonly kind: ExportPlan['kind'];
  readonly exported: Exported;
  readonly head: LogHead;
  readonly since: string | undefined;
  readonly until: string | undefined;
}

/** Exports of the audit log, which others verify without Muster. */
@AuditController('export')
export class ExportsController {
  constructor(
    private readonly exports: Exports,
    private readonly logs: Logs,
    private readonly people: People,
    private readonly histories: Histories,
    private readonly where: Where,
    private readonly readings: Readings,
    private readonly running: RunningExports,
  ) {}

  @Get('plan')
  @Needs('audit')
  @Documented({
    summary: 'Say which entries an export has, and show what proves it',
    description:
      'The numbers from `from` up to, but without, `to`, the newest checkpoint, and the hashes that lead from these entries to its root: `before` has the roots of the complete subtrees of the tree that ends before `from`, `after` is the consistency proof from the tree that ends before `to`. `purge` explains payloads that are missing. Ask for the export with these numbers and this size. `npm run cli -- audit export` does all of that.',
    query: PlanQuery,
    answer: PLAN,
  })
  async plan(@Query() query: unknown, @Reads() reader: Reader): Promise<ExportPlan> {
    const { kind, exported, head, since, until } = await this.choose(checked(PlanQuery, query), reader, 'export plan');
    const { tenant, person, from, to } = exported;
    const { size, checkpoint, verifierKey } = head;
    const read = (tiles: readonly Tile[]): Promise<readonly Uint8Array[]> => this.logs.tiles(tenant, tiles);
    return {
      kind,
      tenant,
      person,
      since: since ?? null,
      until: until ?? null,
      from,
      to,
      size,
      checkpoint,
      verifierKey,
      before: (await carryOut(planTree(from), read)).peaks.map(base64),
      after: (await carryOut(planConsistency(to, size), read)).map(base64),
      purge: await this.purgeOf(tenant, size),
    };
  }

  @Get()
  @Needs('audit')
  @Documented({
    summary: 'Export entries as JSONL or CSV',
    description:
      'Streamed, in the order of their numbers. Each line has the number, the leaf as it was hashed, the payload whose hash is in the leaf (null = it was purged), and, where values are sealed, the readable `values` (null = the person was erased). Entries of one person have an inclusion proof each; of a row of entries `/export/plan` has the proof. An answer that fails is cut off: its transfer does not end as HTTP says. At most two run at once with one key, and four in all (429), and one of which nothing is taken for a minute is ended.',
    query: ExportQuery,
    answer: TEXT,
    mediaType: MEDIA_TYPES.jsonl,
    otherMediaTypes: ['text/csv'],
  })
  async export(
    @Query() query: unknown,
    @Reads() reader: Reader,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<StreamableFile> {
    const asked = checked(ExportQuery, query);
    const free = this.running.take(reader.key.actor);
    try {
      const { exported, head } = await this.choose(asked, reader, 'export');
      const stream = takenStream(this.linesOf(exported, head.size, asked.format), MAX_IDLE_MS).once('close', free);
      void reply.header('cache-control', 'no-store');
      return new StreamableFile(stream, { type: MEDIA_TYPES[asked.format] });
    } catch (error) {
      free();
      throw error;
    }
  }

  /** Pieces of some lines each: this process serves others, too, between one and the next. */
  private async *linesOf(exported: Exported, size: number, format: ExportQuery['format']): AsyncGenerator<string> {
    const { tenant, person, withOthers } = exported;
    const keyOf = await this.exports.keysOf(tenant);
    const isAlone = person !== null && !withOthers && format === 'jsonl';
    if (format === 'csv') yield CSV_HEAD;
    for await (const rows of this.exports.pages(exported)) {
      const proofs = isAlone ? await this.proofsOf(tenant, rows, size) : null;
      let piece = '';
      for (const [at, row] of rows.entries()) {
        const values = valuesOf(tenant, row, keyOf(row));
        piece += format === 'csv' ? csvLine(row[0], values) : jsonLine(row[0], proofs?.[at] ?? null, values);
        if (piece.length < PIECE_CHARACTERS) continue;
        yield piece;
        piece = '';
      }
      if (piece !== '') yield piece;
    }
  }

  private async purgeOf(tenant: string, size: number): Promise<string | null> {
    const from = await this.exports.lastPurge(tenant, size);
    if (from === null) return null;
    const itself = { tenant, person: null, withOthers: false, withValues: false, from, to: from + 1 };
    for await (const rows of this.exports.pages(itself))
      return jsonLine(rows[0]![0], (await this.proofsOf(tenant, rows, size))[0]!, undefined).trimEnd();
    return null;
  }

  /** Inclusion proofs of a page, which have most of their hashes in common. */
  private async proofsOf(tenant: string, rows: readonly ExportRow[], size: number): Promise<readonly string[][]> {
    const plan = planInclusions(
      rows.map(([, number]) => Number(number)),
      size,
    );
    return (await carryOut(plan, (tiles) => this.logs.tiles(tenant, tiles))).map((proof) => proof.map(base64));
  }

  /** Of somebody who was erased the id alone is left. */
  private async personOf(
    tenant: string | null,
    given: string,
  ): Promise<{ readonly id: string; readonly tenant: string }> {
    if (!isUuid(given)) return this.people.find(tenant, given);
    const id = given.toLowerCase();
    return { id, tenant: await this.histories.tenantOf(id) };
  }

  /** Finds out what is asked for, and records that. Throws Rejected. */
  private async choose(
    asked: PlanQuery & { readonly size?: number; readonly values?: boolean },
    reader: Reader,
    what: Reading,
  ): Promise<Chosen> {
    const timespan = timespanIn(asked);
    const { since, until } = timespan;
    if (asked.absence && asked.person === undefined)
      throw new Rejected('invalidValue', 'absence is proved of one person: send person, too.');
    if ((since ?? until) !== undefined && (asked.from ?? asked.to) !== undefined)
      throw new Rejected('invalidValue', 'from and to are numbers, since and until are moments: send either of them.');
    const found = asked.person === undefined ? null : await this.personOf(asked.tenant ?? null, asked.person);
    const tenant = found?.tenant ?? (await this.where.tenant(asked.tenant));
    checkTenant(reader.key, tenant);
    const head = await this.logs.head(tenant);
    const size = asked.size ?? head.size;
    if (size > head.size)
      throw new Rejected('invalidValue', `size is ${size}, and the log has ${head.size} entries: ask for no more.`);
    const { from = 0, to = size } = asked;
    if (from > to || to > size)
      throw new Rejected('invalidValue', `from (${from}), to (${to}) and the size (${size}) must not fall.`);
    await this.readings.record(reader, tenant, what, {
      person: found?.id,
      from: asked.from,
      to: asked.to,
      since,
      until,
      ...(asked.absence && { absence: 'true' }),
    });
    const ofTime = (since ?? until) === undefined ? { from, to } : await this.exports.rangeOf(tenant, timespan, size);
    const range =
      asked.absence && (since ?? until) !== undefined ? await this.exports.enclosing(tenant, ofTime, size) : ofTime;
    const isWhole = range.from === 0 && range.to === size;
    return {
      kind: found ? (asked.absence ? 'absence' : 'person') : isWhole ? 'log' : 'range',
      exported: {
        tenant,
        person: found?.id ?? null,
        withOthers: asked.absence,
        withValues: asked.values ?? true,
        ...range,
      },
      head: { ...head, size },
      since,
      until,
    };
  }
}
