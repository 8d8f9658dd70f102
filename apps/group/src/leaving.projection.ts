import type { ClientBase } from 'pg';
import { GROUP_EVENT_TYPES, eventsViewOf, USER_EVENT_TYPES, USERS_VIEW, type GroupCommand } from '#contracts';
import { LEAST_ID, followingId, inPages, type Command, type WritePart } from '#event-store';
import type { LoadedGroups, TenantGroup } from './group-load.queries.js';

const RETRY_AFTER_SECONDS = 10;
/** 23 hours. */
const MAX_DOUBLINGS = 13;
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

interface NextLeaving {
  readonly tenant: string;
  readonly member: string;
  readonly next_command: string;
  readonly correlation_id: string;
  /** 1 = the command before was set aside. */
  readonly failed: 0 | 1;
}

/** The rows of users and groups that are gone and still in groups: each names the command by which they leave more. */
export const LEAVING_PARTS: readonly WritePart[] = [
  {
    // A command that was set aside is followed by one that is due after 10 s, and after twice as long each time, up
    // to a day.
    name: 'leaving',
    sql: (rows) => `
      INSERT INTO "group".leaving AS l (tenant, member, next_command, correlation_id, failed, due)
      SELECT r.tenant, r.member, r.next_command, r.correlation_id, r.failed, now() + make_interval(secs => ${RETRY_AFTER_SECONDS} * r.failed)
      FROM json_to_recordset(${rows}) AS r(tenant uuid, member uuid, next_command uuid, correlation_id text, failed int)
      ON CONFLICT (tenant, member) DO UPDATE SET next_command = excluded.next_command,
        failed = CASE excluded.failed WHEN 0 THEN 0 ELSE l.failed + 1 END,
        due = CASE excluded.failed WHEN 0 THEN now() ELSE now() + make_interval(secs => ${RETRY_AFTER_SECONDS} * 2 ^ least(l.failed, ${MAX_DOUBLINGS})) END
      RETURNING 1`,
  },
  {
    name: 'done_leaving',
    sql: (rows) => `
      DELETE FROM "group".leaving l USING json_to_recordset(${rows}) AS r(tenant uuid, member uuid)
      WHERE l.tenant = r.tenant AND l.member = r.member RETURNING 1`,
  },
];

interface Member {
  readonly group_id: string;
  readonly member: string;
}

/** SQL: whether the last event of the member of `m` is that it was deleted. */
const isDeleted = (view: string, type: string): string =>
  `(SELECT e.type FROM ${view} e WHERE e.stream = m.member AND e.tenant = m.tenant ORDER BY e.version DESC LIMIT 1) = '${type}'`;

/**
 * A user who was deleted while memberships were missing left only those that were there: the others are back with a
 * rebuild, and are left now. It asks the events who was deleted, because the rows of users may be missing as well.
 */
export const leaveAgain = async (client: ClientBase): Promise<void> => {
  const pages = inPages<Member>(
    async (last, maxRows) =>
      (
        await client.query<Member>(
          `
    WITH page AS MATERIALIZED (
      SELECT tenant, group_id, member, kind FROM "group".members WHERE (group_id, member) > ($1, $2) ORDER BY group_id, member LIMIT $3
    ), gone AS (
      INSERT INTO "group".leaving (tenant, member, next_command, correlation_id)
      SELECT tenant, member, uuidv7(), uuidv7()::text FROM (
        SELECT DISTINCT tenant, member FROM page m WHERE CASE m.kind
          WHEN 'U' THEN NOT EXISTS (SELECT FROM ${USERS_VIEW} WHERE tenant = m.tenant AND id = m.member OFFSET 0)
            AND ${isDeleted(eventsViewOf('identity'), USER_EVENT_TYPES.UserDeleted)}
          ELSE NOT EXISTS (SELECT FROM "group".groups WHERE tenant = m.tenant AND id = m.member OFFSET 0)
            AND ${isDeleted(eventsViewOf('group'), GROUP_EVENT_TYPES.GroupDeleted)} END
      ) AS deleted
      -- Those who are leaving already.
      ON CONFLICT (tenant, member) DO NOTHING
    )
    SELECT group_id, member FROM page ORDER BY group_id, member`,
          [last?.group_id ?? LEAST_ID, last?.member ?? LEAST_ID, maxRows],
        )
      ).rows,
  );
  for await (const _page of pages);
};

/**
 * The users and groups that leave their groups with the commands of one batch. They may be in any number of groups, and
 * a transaction has an end: the rest is left by a command that follows on this one.
 */
export class Leaving {
  private readonly mayLeave: ReadonlySet<string>;
  /** By tenant and member: whether they are in more groups than they leave now, and whether that was so before. */
  private readonly leavers: ReadonlyMap<string, { readonly hasMore: boolean; readonly wasLeaving: boolean }>;
  private readonly going = new Map<string, NextLeaving>();
  private readonly done = new Map<string, { readonly tenant: string; readonly member: string }>();

  constructor(mayLeave: readonly TenantGroup[], loaded: LoadedGroups['left']) {
    this.mayLeave = new Set(mayLeave.map(({ tenant, id }) => `${tenant}/${id}`));
    this.leavers = new Map(
      (loaded ?? []).map(({ tenant, member, has_more: hasMore, is_leaving: wasLeaving }) => [
        `${tenant}/${member}`,
        { hasMore, wasLeaving },
      ]),
    );
  }

  get isEmpty(): boolean {
    return this.mayLeave.size === 0;
  }

  /** `key` is tenant and member. */
  has(key: string): boolean {
    return this.mayLeave.has(key);
  }

  /** A command by which a member leaves its groups was carried out: the next one follows, or it was the last one. */
  goOn({ id, tenant, correlationId, command }: Command<GroupCommand>): void {
    if (command.type !== 'LeaveGroups' && command.type !== 'DeleteGroup') return;
    const member = command.type === 'LeaveGroups' ? command.memberId : command.groupId;
    const key = `${tenant}/${member}`;
    const leaver = this.leavers.get(key);
    if (leaver?.hasMore) this.follow(tenant, member, id, correlationId, 0);
    else if (leaver?.wasLeaving && !this.going.has(key)) this.done.set(key, { tenant, member });
  }

  /** A user or group that is gone leaves later, with another command: nobody else would ever tell it to. */
  buried({ id, tenant, correlationId, command }: Command<GroupCommand>): void {
    const member = command.type === 'LeaveGroups' ? command.memberId : undefined;
    if (typeof member !== 'string' || !UUID.test(member)) return;
    this.done.delete(`${tenant}/${member}`);
    this.follow(tenant, member, id, correlationId, 1);
  }

  rows(): Record<'leaving' | 'done_leaving', readonly unknown[]> {
    return { leaving: [...this.going.values()], done_leaving: [...this.done.values()] };
  }

  private follow(tenant: string, member: string, after: string, correlationId: string, failed: 0 | 1): void {
    this.going.set(`${tenant}/${member}`, {
      tenant,
      member,
      next_command: followingId(after),
      correlation_id: correlationId,
      failed,
    });
  }
}
