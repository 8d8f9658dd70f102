import { Body, HttpCode, Param, Post, Query } from '@nestjs/common';
import { Rejected, WEB_ROLES, type RoleSource } from '#scim';
import { AdminController } from '../http/admin.controller.js';
import { Needs } from '../http/api-key.guard.js';
import { checked } from '../http/body.guard.js';
import { Documented } from '../http/documented.js';
import { PageQuery } from '../http/pages.queries.js';
import { ID, listOf, nullable, NUMBER, objectOf, oneOf, TEXT, type Shape } from '../http/shapes.js';
import { SETTING_CHANGES } from './directory-shapes.controller.js';
import type { RoleChange, RoleCount } from './role-preview.js';
import { RolePreviews, type RolePreview } from './role-previews.queries.js';
import { settingsIn } from './settings.js';

const PROPOSED = ['groupRoles', 'roleCeiling'] as const;

const ROLE = nullable(oneOf(WEB_ROLES));
const SOURCE = objectOf<RoleSource>({ group: nullable(ID), role: oneOf(WEB_ROLES), gives: ROLE }, 'RoleSource');
const PREVIEW = objectOf<RolePreview>(
  {
    items: listOf(
      objectOf<RoleChange>({ id: ID, userName: TEXT, from: ROLE, to: ROLE, sources: listOf(SOURCE) }, 'RoleChange'),
    ),
    next: nullable(TEXT),
    counts: listOf(objectOf<RoleCount>({ from: ROLE, to: ROLE, users: NUMBER }, 'RoleCount')),
  },
  'RolePreview',
);
const BODY: Shape = {
  type: 'object',
  properties: Object.fromEntries(PROPOSED.map((name) => [name, SETTING_CHANGES.properties![name]!])),
};

@AdminController('directories')
export class RolePreviewsController {
  constructor(private readonly previews: RolePreviews) {}

  @Post(':id/role-preview')
  @HttpCode(200)
  @Needs('read')
  @Documented({
    summary: 'Say who would gain or lose which web role if the directory had other groupRoles, or another roleCeiling',
    description:
      'Nothing is changed. A setting that is left out stays as it is, null stands for its default. The answer has the users whose role would change, and counts of all active users of the directory up to the last one at whom it looked, also of those whose role stays. One request looks at 20,000 users at the most, so that a part may be short or empty: send `next` as `cursor`, with the same body, until it is null.',
    query: PageQuery,
    body: BODY,
    answer: PREVIEW,
  })
  of(@Param('id') id: string, @Body() body: unknown, @Query() query: unknown): Promise<RolePreview> {
    const { groupRoles, roleCeiling, ...others } = settingsIn(body);
    const [other] = Object.keys(others);
    if (other !== undefined)
      throw new Rejected('invalidValue', `${other} gives nobody a web role: name ${PROPOSED.join(' or ')}.`);
    return this.previews.of(id, { groupRoles, roleCeiling }, checked(PageQuery, query));
  }
}
