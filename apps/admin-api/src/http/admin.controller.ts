import { applyDecorators, Controller, UseGuards } from '@nestjs/common';
import { ApiKeyGuard } from './api-key.guard.js';
import { AUDIT_BASE_PATH, BASE_PATH } from './version.js';

/** A controller of the admin API, whose paths begin with a noun: it lets in by key. */
export const AdminController = (noun = ''): ClassDecorator =>
  applyDecorators(Controller(`${BASE_PATH}/${noun}`), UseGuards(ApiKeyGuard));

/** The same of the auditors' API. */
export const AuditController = (noun: string): ClassDecorator =>
  applyDecorators(Controller(`${AUDIT_BASE_PATH}/${noun}`), UseGuards(ApiKeyGuard));
