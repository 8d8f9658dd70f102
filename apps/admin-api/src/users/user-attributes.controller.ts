import { Body, Param, Patch } from '@nestjs/common';
import { IsObject } from 'class-validator';
import type { AttributeChanges } from '#contracts';
import { Rejected } from '#scim';
import { AdminController } from '../http/admin.controller.js';
import { Needs } from '../http/api-key.guard.js';
import { Asks, type Asked } from '../http/asked.guard.js';
import { checked } from '../http/body.guard.js';
import { Documented } from '../http/documented.js';
import { VERSION_OF_USER } from './user-links.controller.js';
import { UserLinks } from './user-links.sender.js';

/** More than a user has. */
const MAX_SET_ATTRIBUTES = 100;

class SetAttributes {
  /** Paths, such as `title` or `name.givenName`, each with its value; null = it is given back to the directory. */
  @IsObject() attributes!: AttributeChanges;
}

/** Attributes that administrators own. */
@AdminController()
export class UserAttributesController {
  constructor(private readonly links: UserLinks) {}

  @Patch('users/:id/attributes')
  @Needs('manage')
  @Documented({
    summary: 'Set attributes that the directory leaves to administrators',
    body: SetAttributes,
    answer: VERSION_OF_USER,
  })
  async set(
    @Param('id') id: string,
    @Body() body: unknown,
    @Asks() asked: Asked,
  ): Promise<{ id: string; version: number }> {
    checked(SetAttributes, body);
    // As it was sent: the values of attributes are of no class.
    const { attributes } = body as SetAttributes;
    const number = Object.keys(attributes).length;
    if (number === 0 || number > MAX_SET_ATTRIBUTES)
      throw new Rejected('invalidValue', `attributes must have 1 to ${MAX_SET_ATTRIBUTES} paths with their values.`);
    return { id, version: await this.links.setAttributes(asked, id.toLowerCase(), attributes) };
  }
}
