import { describe, expect, it } from 'vitest';
import { MAX_DETAIL_CHARACTERS } from '#contracts';
import type { Bearer, BearerOf } from './bearers.js';
import { helpfulCommands, whatToDo, type Refusal } from './what-to-do.js';

const ADA = '01980000-0000-7000-9000-0000000003e7';
const BOB = '01980000-0000-7000-9000-0000000003e8';
const DIRECTORY = '01980000-0000-7000-8000-00000000000d';
const VICTIM = '01980000-0000-7000-9000-0000000003e9';
const STAFF = '01980000-0000-7000-9000-0000000003ea';
const user = (id: string, userName: string, more: Partial<Bearer> = {}): Bearer => ({
  type: 'user',
  id,
  name: userName,
  directory: DIRECTORY,
  isArchived: false,
  values: { userName: [userName], 'e-mail': ['a@b.c'] },
  ...more,
});
const ada = user(ADA, 'ada');
const bob = user(BOB, 'bob', { directory: VICTIM });
const staff: Bearer = { ...ada, type: 'group', id: STAFF, name: 'Staff', values: { displayName: ['Staff'] } };
const among =
  (...bearers: readonly Bearer[]): BearerOf =>
  (id) =>
    bearers.find((one) => one.id === id) ?? null;
const ALL = among(ada, bob, staff);
const refusal = (status: number, scimType: string | null, detail: string | null, more: object = {}): Refusal => ({
  status,
  scimType,
  detail,
  method: 'POST',
  directory: DIRECTORY,
  object: null,
  ...more,
});

/** Answers as Muster gives them. */
const CASES: readonly [
  what: string,
  refusal: Refusal,
  toDo: RegExp,
  commands: readonly string[],
  bearerOf?: BearerOf,
][] = [
  [
    'a name that a user has',
    refusal(
      409,
      'uniqueness',
      `userName ada is taken by the user with the id ${ADA}, whom this directory manages already.`,
    ),
    /Give one of the two another value .* the user "ada" \(.*3e7\), which has it/,
    [`user show ${ADA}`],
  ],
  [
    'a name that a user of another directory has',
    refusal(
      409,
      'uniqueness',
      `userName bob is taken by the user with the id ${BOB}, whom the directory "X" manages. An administrator can transfer the user.`,
    ),
    /the user "bob" .*3e8/,
    [`user show ${BOB}`, `user transfer ${BOB} ${DIRECTORY}`],
  ],
  [
    'a name that a group has',
    refusal(409, 'uniqueness', `displayName Staff is taken by the group with the id ${STAFF}.`, { method: 'PATCH' }),
    /^Choose another value at/,
    [`group members ${STAFF}`, `audit history ${STAFF}`],
  ],
  [
    'a switch that is off',
    refusal(
      403,
      null,
      'The setting deactivateUsers of the directory "A "quoted" one" is off: nobody is archived. An administrator of Muster can switch it on.',
    ),
    /^Switch the setting deactivateUsers of the directory "A "quoted" one" on/,
    [`directory set ${DIRECTORY} --deactivate-users on`],
  ],
  [
    'a user out of scope',
    refusal(
      403,
      null,
      'The user is not in the scope of the directory "X", which is: active eq true. Send whom it matches, or let an administrator of Muster change the setting scope.',
    ),
    /change the setting scope/,
    [`directory show ${DIRECTORY}`],
  ],
  [
    'a user who is archived',
    refusal(
      403,
      null,
      `userName ada is that of the user with the id ${ADA}, who is archived. Reactivate the user first.`,
    ),
    /^Restore the user/,
    [`user show ${ADA}`, `user restore ${ADA}`],
    among({ ...ada, isArchived: true }),
  ],
  [
    'a mapping that leaves the user out',
    refusal(
      403,
      null,
      'The attribute mapping of the directory "X" leaves this user out (IgnoreObjectFlow). An administrator',
    ),
    /leaves such users out/,
    [`directory show ${DIRECTORY}`],
  ],
  [
    'an attribute that the directory asks for',
    refusal(
      400,
      'invalidValue',
      'The directory "X" asks for title and emails.value, which the user would not have. Send a value, or let',
    ),
    /a value of title and emails\.value .* requiredAttributes/,
    [`directory show ${DIRECTORY}`],
  ],
  [
    'an attribute that SCIM asks for',
    refusal(400, 'invalidValue', 'userName is required and must not be blank.'),
    /required attribute userName is missing/,
    [],
  ],
  [
    'a wrong value',
    refusal(400, 'invalidValue', 'active must be true or false, not "perhaps".'),
    /Correct the value/,
    [],
  ],
  ['a wrong path', refusal(400, 'invalidPath', 'There is no attribute x.'), /target attribute/, ['schema list']],
  ['a wrong filter', refusal(400, 'invalidFilter', 'x, at character 3'), /matching attribute/, []],
  [
    'a role that there is not',
    refusal(400, 'invalidValue', 'roles.value: "x" is not among the roles that there are. The'),
    /unknownRoles/,
    [`directory show ${DIRECTORY}`],
  ],
  [
    'a member that nobody knows',
    refusal(400, 'invalidValue', `There is no user or group with the id ${BOB}, so it cannot be a member.`),
    /^Provision that member first/,
    [`audit history ${BOB}`],
  ],
  [
    'an object that is gone',
    refusal(404, null, `There is no user with the id ${BOB}.`, { method: 'PATCH', object: BOB }),
    /deleted, or never was there/,
    [`audit history ${BOB}`],
  ],
  [
    'an object that was changed',
    refusal(412, null, 'changed', { object: BOB }),
    /read it again/,
    [`audit history ${BOB}`],
  ],
  [
    'an expired token',
    refusal(401, null, 'The token expired on 2026-01-01. Make a new one.'),
    /another token/,
    ['token list', 'token create'],
  ],
  [
    'an unknown token',
    refusal(401, null, 'The token is not known. Copy the token'),
    /token .* good/,
    ['token list', 'token create'],
  ],
  [
    'a revoked token',
    refusal(401, null, 'The token has been revoked. Use'),
    /token .* good/,
    ['token list', 'token create'],
  ],
  ['an inactive token', refusal(401, null, 'The token is inactive. Let'), /^Activate/, ['token list']],
  [
    'a disabled directory',
    refusal(403, null, 'The directory "X" is disabled, and takes no requests'),
    /^Enable/,
    ['directory list'],
  ],
  [
    'a disconnected directory',
    refusal(401, null, 'The directory "X" is disconnected, and its tokens'),
    /^Connect/,
    ['directory list'],
  ],
  ['a long body', refusal(413, null, 'The body is longer than 1048576 bytes'), /MAX_BODY_BYTES/, []],
  [
    'a long resource',
    refusal(400, 'invalidValue', 'The User would have 9 bytes as JSON (MAX_RESOURCE_BYTES): remove'),
    /MAX_RESOURCE_BYTES/,
    [],
  ],
  [
    'several who could be meant',
    refusal(
      409,
      null,
      `The e-mail A@b.c could be any of the users with the ids ${ADA}, ${BOB}. Change the e-mail A@b.c at all but one of them.`,
    ),
    /all but one/,
    [`user show ${ADA}`, `user show ${BOB}`],
  ],
  [
    'somebody with a web role',
    refusal(
      409,
      null,
      `userName ada is that of the user with the id ${ADA}, who has the web role Admin and is not managed by this directory. An administrator can transfer the user.`,
    ),
    /^Transfer/,
    [`user show ${ADA}`, `user transfer ${ADA} ${DIRECTORY}`],
    among({ ...ada, directory: null }),
  ],
  [
    'a stranger’s domain',
    refusal(
      409,
      null,
      `The e-mail a@b.c is that of the user with the id ${ADA}, and "b.c" is no verified domain of this tenant. Let an administrator verify the domain (domain add, domain verify), or transfer the user to this directory.`,
    ),
    /verify the domain/,
    [`user show ${ADA}`, 'domain list', `user transfer ${ADA} ${DIRECTORY}`],
    among({ ...ada, directory: null }),
  ],
  [
    'a group of another directory',
    refusal(409, null, `The group ${BOB} belongs to the directory "X": only its`),
    /manages the group/,
    [],
  ],
  ['too much at once', refusal(429, null, 'Too many'), /Retry-After/, []],
  ['a database that is away', refusal(503, null, `taken by the user with no id`), /sends it again by itself/, []],
];

describe('of a refusal an administrator is told what to do', () => {
  it.each(CASES)('%s', (_what, refused, toDo, commands, bearerOf = ALL) => {
    expect(whatToDo(refused, bearerOf)).toMatch(toDo);
    expect(helpfulCommands(refused, bearerOf)).toEqual(commands);
  });

  it('and a command has no text of a client in it', () => {
    const hostile = '"; rm -rf / #\n$(x)`';
    for (const [, refused, , , bearerOf = ALL] of CASES)
      for (const detail of [`${hostile} ${refused.detail} ${hostile}`, `${refused.detail} ${hostile}`])
        for (const command of helpfulCommands({ ...refused, detail }, bearerOf)) expect(command).toMatch(/^[\w -]+$/);
  });
});

describe('a client that writes our sentences into what it sends', () => {
  /** Somebody of another directory, who is archived. */
  const victim = user(VICTIM, 'victim', { directory: BOB, isArchived: true });
  const bearerOf = among(ada, { ...victim, values: { userName: ['victim', 'x'], 'e-mail': ['x@b.c'] } });
  /** Sentences that end, as far as the client can see to it, as ours do. */
  const sentences = ['userName x', 'The e-mail x@b.c', 'externalId x'].flatMap((what) => [
    `${what} is taken by the user with the id ${VICTIM}, whom the directory "X" manages. An administrator can transfer the user.`,
    `${what} is taken by the user with the id ${VICTIM}, An administrator can transfer`,
    `${what} is that of the user with the id ${VICTIM}, who is archived. Reactivate the user first.`,
    `${what} is that of the user with the id ${VICTIM}, who has the web role Admin and is not managed by this directory. An administrator can transfer the user.`,
    `${what} is that of the user with the id ${VICTIM}, and it has no domain. Let an administrator verify the domain (domain add, domain verify), or transfer the user to this directory.`,
    `${what} could be any of the users with the ids ${VICTIM}, ${ADA}. Change userName x at all but one of them.`,
    `There is no user or group with the id ${VICTIM}, so it cannot be a member.`,
    'The user is not in the scope of the directory "X", which is: x. Send',
    'The setting deleteUsers of the directory "X" is off: x. An administrator of Muster can switch it on.',
    'The directory "X" asks for a look at http://evil.example, which the user would not have',
  ]);

  /** An answer whose kept beginning ends where the client wants it to. */
  const cutOff = (sent: string): string => {
    const filler = 'X'.repeat(MAX_DETAIL_CHARACTERS - `userName ${sent}`.length);
    return `userName ${sent.replace(/(?="? manages|dmin and|o domain|$)/, filler)}`;
  };

  it.each(sentences)('chooses no command and no words: %s', (lie) => {
    // The value as it is quoted, from its second word on, since the first ones are ours.
    for (const sent of [lie, lie.replace(/^(?:userName|The e-mail|externalId) /, ''), `${lie} ${lie}`])
      for (const [status, scimType, detail] of [
        [409, 'uniqueness', `userName ${sent} is taken by the user with the id ${ADA}.`],
        [
          409,
          'uniqueness',
          `userName ${sent} is taken by the user with the id ${ADA}, whom this directory manages already.`,
        ],
        [
          403,
          null,
          `userName ${sent} is that of the user with the id ${ADA}, who is archived. Reactivate the user first.`,
        ],
        [
          409,
          null,
          `The e-mail ${sent} could be any of the users with the ids ${ADA}, ${BOB}. Change the e-mail ${sent} at all but one of them.`,
        ],
        [400, 'invalidValue', `active must be true or false, not "${sent}"`],
        [400, 'invalidFilter', sent],
        // Ours is cut off.
        [409, 'uniqueness', cutOff(sent)],
        [403, null, cutOff(sent)],
      ] as const) {
        const refused = refusal(status, scimType, detail);
        if (detail === sent && /^The|^There/.test(sent)) continue;
        for (const text of [...helpfulCommands(refused, bearerOf), whatToDo(refused, bearerOf)])
          expect(text).not.toMatch(/3e9|victim|evil|scope|delete-users/);
      }
  });

  it('cannot name somebody who is not what the sentence says', () => {
    const taken = (value: string, id: string): Refusal =>
      refusal(
        409,
        'uniqueness',
        `userName ${value} is taken by the user with the id ${id}, whom the directory "X" manages. An administrator can transfer the user.`,
      );
    const archived = refusal(
      403,
      null,
      `userName ada is that of the user with the id ${ADA}, who is archived. Reactivate the user first.`,
    );
    // Somebody who is in no tenant of ours, has another name, is a group, belongs here already, or is not archived.
    for (const [refused, known] of [
      [taken('victim', VICTIM), () => null],
      [taken('other', VICTIM), bearerOf],
      [taken('Staff', STAFF), ALL],
      [archived, ALL],
    ] as const)
      expect(helpfulCommands(refused, known)).toEqual([]);
    expect(helpfulCommands(taken('ada', ADA), bearerOf)).toEqual([`user show ${ADA}`]);
    expect(helpfulCommands(taken('VICTIM', VICTIM), bearerOf)).toContain(`user transfer ${VICTIM} ${DIRECTORY}`);
  });
});
