import { applyDecorators, Controller, UseGuards } from '@nestjs/common';
import { ApiKeyGuard } from './api-key.guard.js';
import { BASE_PATH } from './version.js';

/** A controller of the admin API, whose paths begin with a noun: it lets in by key. */
export const AdminController = (noun = ''): ClassDecorator =>
  applyDecorators(Controller(`${BASE_PATH}/${noun}`), UseGuards(ApiKeyGuard));
