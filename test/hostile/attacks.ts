import { setTimeout as delay } from 'node:timers/promises';
import { Refused, type Attacker } from './attacker.js';

/** The whole of an attack, or so much of it as a test run has time for. */
export type Size = 'whole' | 'short';

export interface Attack {
  readonly name: string;
  /** A description, for the report. */
  readonly title: string;
  /** The number of rounds at a time. */
  readonly together: number;
  /** Makes what the attack needs. Resolves with one round of it, which is repeated until the attack is called off. */
  prepare(attacker: Attacker, size: Size): Promise<() => Promise<void>>;
}

const MIB = 1_048_576;
const PAUSE_MS = 20;

const all = async <T>(count: number, together: number, make: (index: number) => Promise<T>): Promise<T[]> => {
  const made: T[] = [];
  let next = 0;
  await Promise.all(
    Array.from({ length: together }, async () => {
      while (next < count) {
        const index = next++;
        made[index] = await make(index);
      }
    }),
  );
  return made;
};

const user = (name: string, more: object = {}): object => ({ userName: `${name}@attack.example`, ...more });
const patch = (...Operations: object[]): object => ({
  schemas: ['urn:ietf:params:scim:api:messages:2.0:PatchOp'],
  Operations,
});
/** Control characters, which are six bytes each in JSON. */
const controls = (bytes: number): string => '\u0001'.repeat(Math.floor(bytes / 6));

/** Users as large as the server takes them, of the given sizes the first that it takes. */
const largeUsers = async (attacker: Attacker, name: string, count: number): Promise<string[]> => {
  for (const bytes of [900_000, 500_000, 240_000, 120_000, 60_000, 30_000]) {
    const parts = Math.ceil(bytes / 60_000);
    const entitlements = Array.from({ length: parts }, (_, index) => ({
      value: String(index),
      display: controls(bytes / parts),
    }));
    try {
      const first = await attacker.make('POST', '/Users', user(`${name}-0`, { entitlements }));
      const others = await all(count - 1, 4, (index) =>
        attacker.make('POST', '/Users', user(`${name}-${index + 1}`, { entitlements })),
      );
      return [first, ...others].map(({ id }) => id);
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
    }
  }
  throw new Error('no large user was taken');
};

/** Posts many resources in bulk requests. */
const inBulk = async (
  attacker: Attacker,
  path: string,
  count: number,
  data: (index: number) => object,
): Promise<void> => {
  const EACH = 500;
  for (let from = 0; from < count; from += EACH) {
    const Operations = Array.from({ length: Math.min(EACH, count - from) }, (_, at) => ({
      method: 'POST',
      path,
      bulkId: `b${at}`,
      data: data(from + at),
    }));
    await attacker.make('POST', '/Bulk', {
      schemas: ['urn:ietf:params:scim:api:messages:2.0:BulkRequest'],
      Operations,
    });
  }
};

export const ATTACKS: readonly Attack[] = [
  {
    name: 'nested-groups',
    title: 'a member more and less in the innermost of many groups, each of which contains all later ones',
    together: 4,
    prepare: async (attacker, size) => {
      const somebody = await attacker.make('POST', '/Users', user('nested'));
      const ids: string[] = [];
      for (let index = 0; index < (size === 'whole' ? 600 : 150); index++) {
        try {
          ids.push(
            (
              await attacker.make('POST', '/Groups', {
                displayName: `Nested ${index}`,
                members: ids.map((value) => ({ value })),
              })
            ).id,
          );
        } catch (error) {
          // More groups are not allowed: the attack works with these.
          if (error instanceof Refused) break;
          throw error;
        }
      }
      const members = [{ value: somebody.id }];
      return async () => {
        for (const op of ['add', 'remove'])
          await attacker.send('PATCH', `/Groups/${ids[0]!}`, patch({ op, path: 'members', value: members }));
        await attacker.send(
          'PATCH',
          `/Groups/${ids[0]!}`,
          patch({ op: 'add', path: 'members', value: [{ value: ids.at(-1)! }] }),
        );
        await attacker.send('GET', `/Users/${somebody.id}`);
      };
    },
  },
  {
    name: 'leaving-groups',
    title: 'users who are in very many groups are deleted',
    together: 1,
    prepare: async (attacker, size) => {
      const [groups, people] = size === 'whole' ? [20_000, 20] : [1_000, 5];
      const ids = (await all(people, 4, (index) => attacker.make('POST', '/Users', user(`leaving-${index}`)))).map(
        ({ id }) => id,
      );
      const members = ids.map((value) => ({ value }));
      await inBulk(attacker, '/Groups', groups, (index) => ({ displayName: `Left ${index}`, members }));
      return async () => {
        const id = ids.pop();
        if (id === undefined) await delay(PAUSE_MS);
        else await attacker.send('DELETE', `/Users/${id}`);
      };
    },
  },
  {
    name: 'large-users',
    title: 'tiny PATCHes on users as large as they may be',
    together: 98,
    prepare: async (attacker, size) => {
      const ids = await largeUsers(attacker, 'large', size === 'whole' ? 256 : 64);
      let next = 0;
      return async () => {
        const turn = next++;
        await attacker.send(
          'PATCH',
          `/Users/${ids[turn % ids.length]!}`,
          patch({ op: 'replace', path: 'title', value: String(turn) }),
        );
      };
    },
  },
  {
    name: 'comparisons',
    title: 'PATCHes that compare long texts a hundred times',
    together: 8,
    prepare: async (attacker) => {
      const marks = `a${'\u0301'.repeat(15)}${'\u0316'.repeat(15)}`.repeat(600);
      const texts = [marks, `a${'\u0301'.repeat(9_000)}${'\u0316'.repeat(9_000)}`, 'a'.repeat(20_000)];
      const ids: string[] = [];
      for (const [index, display] of texts.entries()) {
        try {
          ids.push(
            (
              await attacker.make(
                'POST',
                '/Users',
                user(`compared-${index}`, { emails: [{ value: 'x@attack.example', type: 'work', display }] }),
              )
            ).id,
          );
        } catch (error) {
          if (!(error instanceof Refused)) throw error;
        }
      }
      const needles = [
        `${'a'.repeat(1_500)}b${'a'.repeat(1_500)}`,
        'é!',
        `a${'\u0301'.repeat(1_000)}${'\u0316'.repeat(1_000)}`,
      ];
      const operations = needles.map((needle) => {
        const term = `display co "${needle}" or `;
        return patch(
          ...Array.from({ length: 40 }, () => ({
            op: 'replace',
            path: `emails[${term.repeat(Math.max(1, Math.floor(3_000 / term.length)))}type pr].type`,
            value: 'work',
          })),
        );
      });
      let next = 0;
      return async () => {
        const turn = next++;
        await attacker.send('PATCH', `/Users/${ids[turn % ids.length]!}`, operations[turn % operations.length]);
        await attacker.send(
          'GET',
          `/Users?filter=${encodeURIComponent(`userName eq "${needles[turn % needles.length]!.slice(0, 500)}"`)}`,
        );
      };
    },
  },
  {
    name: 'operations',
    title: 'PATCHes of many operations that add to 1,000 e-mails what is there already',
    together: 98,
    prepare: async (attacker) => {
      const emails = Array.from({ length: 1_000 }, (_, index) => ({ value: `e${index}@x.example`, type: 'work' }));
      const { id } = await attacker.make('POST', '/Users', user('operations', { emails }));
      // The limit of one PATCH is not written down here: some of these are carried out, the others are refused when
      // they have looked for so long.
      const bodies = [36, 340, 340].map((operations) =>
        patch(...emails.slice(0, operations).map((email) => ({ op: 'add', path: 'emails', value: [email] }))),
      );
      let next = 0;
      return async () => {
        const { status } = await attacker.send('PATCH', `/Users/${id}`, bodies[next++ % bodies.length]);
        if (status === 0 || status === 429) await delay(PAUSE_MS);
      };
    },
  },
  {
    name: 'odd-bodies',
    title: 'bodies of a megabyte that are slow to read: brackets, depth, many names, escapes',
    together: 4,
    prepare: async (attacker) => {
      const bodies = [
        `{"userName":"odd@attack.example","${'['.repeat(80_000)}":1}`,
        `{"userName":"odd@attack.example","${'[a'.repeat(400_000)}":1}`,
        `${'['.repeat(900_000)}`,
        `{"a":`.repeat(150_000),
        JSON.stringify(Object.fromEntries(Array.from({ length: 60_000 }, (_, index) => [`name${index}`, 1]))),
        JSON.stringify({
          userName: 'odd@attack.example',
          roles: Array.from({ length: 900 }, () => ({ value: `{${' '.repeat(900)}` })),
        }),
        JSON.stringify(
          patch(
            ...Array.from({ length: 1_000 }, (_, index) => ({
              op: 'add',
              path: `nope[${'['.repeat(800)}`,
              value: index,
            })),
          ),
        ),
      ];
      let next = 0;
      return async () => {
        await attacker.send('POST', '/Users', bodies[next++ % bodies.length]);
      };
    },
  },
  {
    name: 'without-token',
    title: 'bodies of 8 MB with a wrong token, and half-sent ones',
    together: 16,
    prepare: async (attacker) => {
      const body = JSON.stringify({
        Operations: [
          { method: 'POST', path: '/Users', bulkId: 'x', data: { userName: 'x', nickName: 'x'.repeat(7.9 * MIB) } },
        ],
      });
      return async () => {
        await attacker.open(
          `${attacker.head('POST', '/Bulk', ['Content-Type: application/scim+json', `Content-Length: ${8 * MIB}`], 'wrong')}${body.slice(0, MIB)}`,
        );
        await attacker.send('POST', '/Bulk', body, 'wrong');
        await delay(PAUSE_MS);
      };
    },
  },
  {
    name: 'unfinished',
    title: 'bodies of 8 MB of which the last byte never comes',
    together: 1,
    prepare: async (attacker) => {
      const body = `{"Operations":[{"data":"${'x'.repeat(8 * MIB - 100)}`;
      return async () => {
        if (attacker.openConnections < 100) {
          await attacker.open(
            attacker.head('POST', '/Bulk', ['Content-Type: application/scim+json', `Content-Length: ${8 * MIB}`]) +
              body,
          );
        } else await delay(PAUSE_MS);
      };
    },
  },
  {
    name: 'unread',
    title: 'answers of many megabytes that nobody reads',
    together: 1,
    prepare: async (attacker) => {
      const title = 'Unread';
      const entitlements = Array.from({ length: 4 }, (_, index) => ({
        value: String(index),
        display: 'é'.repeat(2_000),
      }));
      await inBulk(attacker, '/Users', 1_000, (index) => user(`unread-${index}`, { title, entitlements }));
      return async () => {
        if (attacker.openConnections < 120) await attacker.open(attacker.head('GET', '/Users?count=1000').repeat(3));
        else await delay(PAUSE_MS);
      };
    },
  },
  {
    name: 'searches',
    title: 'look-ups by an e-mail that many share with 250 terms, and searches through everybody',
    together: 48,
    prepare: async (attacker, size) => {
      const emails = [{ type: 'work', value: 'shared@attack.example' }];
      await inBulk(attacker, '/Users', size === 'whole' ? 4_000 : 500, (index) =>
        user(`shared-${index}`, { emails, externalId: 'shared' }),
      );
      const terms = Array.from({ length: 250 }, (_, index) => `title eq "${index}"`).join(' or ');
      const filters = [
        `emails[type eq "work"].value eq "shared@attack.example" and (${terms})`,
        `externalId eq "shared" and (${terms})`,
        `displayName co "nobody" or (${terms})`,
        `userName co "nobody" and title pr`,
        `emails.value co "nobody" or name.familyName ew "z"`,
      ].map((filter) => ({ schemas: ['urn:ietf:params:scim:api:messages:2.0:SearchRequest'], filter, count: 1_000 }));
      let next = 0;
      return async () => {
        await attacker.send('POST', '/Users/.search', filters[next++ % filters.length]);
      };
    },
  },
  {
    name: 'bulk',
    title: 'bulk requests of 1,000 operations, and with a version of a million commas',
    together: 8,
    prepare: async (attacker) => {
      const made = await attacker.make('POST', '/Users', user('bulk'));
      const commas = JSON.stringify({
        Operations: [{ method: 'DELETE', path: `/Users/${made.id}`, version: ','.repeat(7 * MIB) }],
      });
      let next = 0;
      return async () => {
        const turn = next++;
        if (turn % 4 === 0) await attacker.send('POST', '/Bulk', commas);
        const Operations = Array.from({ length: 1_000 }, (_, at) => ({
          method: 'POST',
          path: '/Users',
          bulkId: `b${at}`,
          data: user(`bulk-${turn}-${at}`),
        }));
        await attacker.send('POST', '/Bulk', { Operations });
      };
    },
  },
  {
    name: 'flood',
    title: 'as many writes at once as connections are taken',
    together: 1_000,
    prepare: async (attacker) => {
      let next = 0;
      return async () => {
        const { status } = await attacker.send(
          'POST',
          '/Users',
          user(`flood-${next++}`, { nickName: 'x'.repeat(2_000) }),
        );
        if (status === 0 || status === 429) await delay(PAUSE_MS);
      };
    },
  },
];
