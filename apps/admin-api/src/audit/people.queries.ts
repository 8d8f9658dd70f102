import { Injectable } from '@nestjs/common';
import { isUuid } from '#runtime';
import { quote, Rejected } from '#scim';
import { Users } from '../users/users.queries.js';

const MAX_TOLD = 10;

/** Finds the one person that an auditor means. */
@Injectable()
export class People {
  constructor(private readonly users: Users) {}

  /**
   * By any identifier that the person has or ever had, also of one who was deleted; who bears it goes before those who bore it.
   * `tenant` null = of any. Throws Rejected: notFound, or conflict that lists those who may be meant.
   */
  async find(tenant: string | null, given: string): Promise<{ readonly id: string; readonly tenant: string }> {
    if (given.endsWith('*'))
      throw new Rejected('invalidValue', `${quote(given)} stands for all who begin so: name one.`);
    const found = await this.users.find(tenant === null ? null : [tenant], given);
    const [only] = found;
    if (!only)
      throw new Rejected(
        'notFound',
        `Nobody is called ${quote(given)}, and nobody was: user name, e-mail, UPN, externalId, provider id, name or id, as a whole. user find ${isUuid(given) ? '' : `"${given.slice(0, 3)}*" `}looks for beginnings.`,
      );
    const named = found.filter(({ matchedBy }) => matchedBy === 'userName');
    if (found.length === 1) return only;
    if (named.length === 1) return named[0]!;
    const told = found.slice(0, MAX_TOLD).map(({ id, userName, state }) => `${userName} (${state}, ${id})`);
    const more = found.length - told.length;
    throw new Rejected(
      'conflict',
      `There are ${found.length} of whom ${quote(given)} is said; ask by the id of one: ${told.join(', ')}${more > 0 ? ` and ${more} more` : ''}.`,
    );
  }
}
