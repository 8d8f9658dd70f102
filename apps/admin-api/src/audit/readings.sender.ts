import { Injectable } from '@nestjs/common';
import { AUDIT_COMMAND_TYPES, type AuditCommand } from '#contracts';
import { uuidv7 } from '#runtime';
import { Commands } from '../http/commands.sender.js';
import type { Reader } from './reader.guard.js';
import type { Reading } from './words.js';

/** Longer values of a filter are cut: they are of nobody. */
const MAX_ASKED_CHARACTERS = 400;

/** Records that somebody is shown a part of the audit log, which is an entry of it like any other. */
@Injectable()
export class Readings {
  constructor(private readonly commands: Commands) {}

  /**
   * Resolves when it is stored: nothing is answered before. `asked` has the filters and ids; a person is among them by its id, so
   * that an erasure need not look for names here. Throws Rejected, or LogUnavailable.
   */
  async record(
    reader: Reader,
    tenant: string,
    what: Reading,
    asked: Readonly<Record<string, string | number | undefined>>,
  ): Promise<void> {
    const given = Object.entries(asked).flatMap(([name, value]) =>
      value === undefined || value === null ? [] : [[name, String(value).slice(0, MAX_ASKED_CHARACTERS)] as const],
    );
    const command: AuditCommand = {
      type: 'RecordReading',
      readingId: uuidv7(),
      what,
      asked: Object.fromEntries(given),
    };
    const type = AUDIT_COMMAND_TYPES[command.type];
    await this.commands.toAudit(reader, { type, subject: command.readingId, tenant, command });
  }
}
