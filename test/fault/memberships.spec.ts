import { describe, expect, it } from 'vitest';
import { judgeGroups, judgeGroupsOf, Memberships, stillThere, type Change } from './memberships.js';

const add = (...ids: string[]): Change[] => [{ op: 'add', ids }];
const remove = (...ids: string[]): Change[] => [{ op: 'remove', ids }];
const nobody = (id: string): string => `There is no user or group with the id ${id}, so it cannot be a member.`;

/** A client with the users ada, bob, eve and zoe, of whom it has added ada and bob to the group g. */
const client = (): Memberships => {
  const history = new Memberships();
  for (const id of ['ada', 'bob', 'eve', 'zoe']) history.came(id);
  expect(history.acknowledged('g', add('ada', 'bob'))).toBeNull();
  return history;
};

describe('a history without faults', () => {
  it('of acknowledged changes allows exactly the last members, whatever others do', () => {
    const history = client();
    expect(history.acknowledged('g', [...add('eve', 'eve', 'ada'), ...remove('bob', 'nobody')])).toBeNull();
    expect(history.read('g', ['eve', 'of somebody else', 'ada'])).toBeNull();
    expect(history.read('other', ['of somebody else'])).toBeNull();
  });

  it('lets a deleted user leave in a while, and never come back', () => {
    const history = client();
    history.went('ada');
    expect(history.read('g', ['ada', 'bob'])).toBeNull();
    // Still a member: nothing changes, and that is no error.
    expect(history.acknowledged('g', add('ada'))).toBeNull();
    expect(history.read('g', ['bob'])).toBeNull();
    expect(history.refused('g', add('eve', 'ada'), 400, nobody('ada'))).toBeNull();
    expect(history.read('g', ['bob'])).toBeNull();
  });

  it('allows either after a deletion without answer, until somebody has seen the user leave', () => {
    for (const shown of [['ada', 'bob'], ['bob']]) {
      const history = client();
      history.mayGo('ada');
      expect(history.read('g', shown)).toBeNull();
      expect(history.isGone('ada')).toBe(shown.length === 1);
    }
    const refused = client();
    refused.mayGo('eve');
    expect(refused.refused('g', add('eve'), 400, nobody('eve'))).toBeNull();
    expect(refused.isGone('eve')).toBe(true);
  });

  it('allows all or nothing of a list that got no answer, until a later answer and a read decide', () => {
    for (const shown of [
      ['ada', 'bob'],
      ['ada', 'bob', 'eve', 'zoe'],
    ]) {
      const history = client();
      history.lost('g', add('eve', 'zoe'));
      expect(history.read('g', ['ada', 'bob'])).toBeNull();
      expect(history.possibilities('g')).toBe(2);
      expect(history.isUndecided).toBe(true);
      expect(history.acknowledged('other', remove('ada'))).toBeNull();
      expect(history.read('g', shown)).toBeNull();
      expect(history.possibilities('g')).toBe(1);
    }
  });

  it('allows any of several lists without answer, in their order', () => {
    const history = client();
    history.lost('g', add('eve', 'zoe'));
    history.lost('g', remove('ada', 'zoe'));
    for (const shown of [['ada', 'bob'], ['ada', 'bob', 'eve', 'zoe'], ['bob'], ['bob', 'eve']])
      expect(history.read('g', shown)).toBeNull();
    expect(history.read('g', ['bob', 'eve', 'zoe'])).not.toBeNull();
  });

  it('has a deleted group leave at once, and a user that a PATCH both removes and adds stay', () => {
    const history = client();
    history.groupCame('nested', ['zoe']);
    expect(history.acknowledged('g', add('nested'))).toBeNull();
    expect(history.acknowledged('nested', [{ op: 'replace', ids: ['eve', 'bob'] }])).toBeNull();
    expect(history.read('nested', ['bob', 'eve'])).toBeNull();
    history.groupWent('nested');
    expect(history.acknowledged('g', [...remove('ada'), ...add('ada')])).toBeNull();
    expect(history.read('g', ['ada', 'bob'])).toBeNull();
  });

  it('of a refused list that also removes tells nothing about who is still a member', () => {
    const history = client();
    history.went('ada');
    expect(history.refused('g', [...remove('ada'), ...add('ada')], 400, nobody('ada'))).toBeNull();
    expect(history.read('g', ['ada', 'bob'])).toBeNull();
  });
});

describe('a planted violation is found:', () => {
  const violations: [title: string, run: () => string | null | string[]][] = [
    ['an acknowledged member is missing', () => client().read('g', ['ada'])],
    ['somebody is a member whom nobody has added', () => client().read('g', ['ada', 'bob', 'eve'])],
    ['an acknowledged member of one group is in another', () => client().read('other', ['ada'])],
    [
      'an acknowledged removal is missing',
      () => {
        const history = client();
        history.acknowledged('g', remove('ada'));
        return history.read('g', ['ada', 'bob']);
      },
    ],
    [
      'a list without answer is there by half',
      () => {
        const history = client();
        history.lost('g', add('eve', 'zoe'));
        return history.read('g', ['ada', 'bob', 'eve']);
      },
    ],
    [
      'a PATCH of two operations without answer is there by half',
      () => {
        const history = client();
        history.lost('g', [...add('eve'), ...remove('ada')]);
        return history.read('g', ['ada', 'bob', 'eve']);
      },
    ],
    [
      'a refused list is there by half',
      () => {
        const history = client();
        history.went('eve');
        expect(history.refused('g', add('zoe', 'eve'), 400, nobody('eve'))).toBeNull();
        return history.read('g', ['ada', 'bob', 'zoe']);
      },
    ],
    [
      'a list without answer came after what was acknowledged later',
      () => {
        const history = client();
        history.lost('g', add('eve'));
        history.acknowledged('g', remove('eve'));
        return history.read('g', ['ada', 'bob', 'eve']);
      },
    ],
    [
      'what a read has decided changed later',
      () => {
        const history = client();
        history.lost('g', add('eve'));
        history.acknowledged('other', remove('ada'));
        expect(history.read('g', ['ada', 'bob'])).toBeNull();
        return history.read('g', ['ada', 'bob', 'eve']);
      },
    ],
    [
      'a user that is there is no member any more',
      () => {
        const history = client();
        history.mayGo('ada');
        expect(history.stayed('ada')).toBeNull();
        return history.read('g', ['bob']);
      },
    ],
    [
      'a user left, and is there',
      () => {
        const history = client();
        history.mayGo('ada');
        expect(history.read('g', ['bob'])).toBeNull();
        return history.stayed('ada');
      },
    ],
    [
      'a deleted user came back',
      () => {
        const history = client();
        history.went('ada');
        expect(history.read('g', ['bob'])).toBeNull();
        return history.read('g', ['ada', 'bob']);
      },
    ],
    [
      'a deleted user was added',
      () => {
        const history = client();
        history.went('eve');
        return history.acknowledged('g', add('zoe', 'eve'));
      },
    ],
    [
      'a deleted user was added again in the PATCH that removed it',
      () => {
        const history = client();
        history.went('ada');
        return history.acknowledged('g', [...remove('ada'), ...add('ada')]);
      },
    ],
    ['somebody whom there never was, was added', () => client().acknowledged('g', add('nobody'))],
    ['a list of users that are there was refused', () => client().refused('g', add('eve', 'zoe'), 400, nobody('eve'))],
    [
      'a refusal names somebody else',
      () => {
        const history = client();
        history.went('eve');
        return history.refused('g', add('zoe', 'eve'), 400, nobody('zoe'));
      },
    ],
    [
      'a deleted user was refused, but not with 400',
      () => {
        const history = client();
        history.went('eve');
        return history.refused('g', add('eve'), 404, nobody('eve'));
      },
    ],
    [
      'a removal was refused',
      () => {
        const history = client();
        history.went('ada');
        return history.refused('g', remove('ada'), 400, nobody('ada'));
      },
    ],
    [
      'a deleted group is a member',
      () => {
        const history = client();
        history.groupCame('nested', []);
        history.acknowledged('g', add('nested'));
        history.groupWent('nested');
        return history.read('g', ['ada', 'bob', 'nested']);
      },
    ],
    [
      'the lanes are drained, and a deleted user is a member',
      () => {
        const history = client();
        history.went('ada');
        return stillThere([new Memberships(), history], new Map([['g', ['ada', 'bob']]]));
      },
    ],
    ['a member is shown twice', () => judgeGroups([client()], new Map([['g', ['ada', 'bob', 'bob']]]))],
    ["a member is nobody's", () => judgeGroups([client()], new Map([['g', ['ada', 'bob', 'nobody']]]))],
    [
      'a member of the second client is missing',
      () => judgeGroups([new Memberships(), client()], new Map([['g', ['bob']]])),
    ],
    ['a user does not know its group', () => judgeGroupsOf('ada', [], new Map([['g', ['ada']]]))],
    [
      'a user shows a group that it is not in',
      () => judgeGroupsOf('eve', [{ value: 'g', type: 'direct' }], new Map([['g', ['ada']]])),
    ],
    [
      'a user shows a group twice',
      () =>
        judgeGroupsOf(
          'ada',
          [
            { value: 'g', type: 'direct' },
            { value: 'g', type: 'indirect' },
          ],
          new Map([['g', ['ada']]]),
        ),
    ],
    [
      'a user does not know the group above its group',
      () =>
        judgeGroupsOf(
          'ada',
          [{ value: 'nested', type: 'direct' }],
          new Map([
            ['nested', ['ada']],
            ['g', ['nested']],
          ]),
        ),
    ],
  ];
  it.each(violations)('%s', (_title, run) => {
    const found = run();
    expect(typeof found === 'string' || (Array.isArray(found) && found.length > 0)).toBe(true);
  });

  it('but what agrees is none', () => {
    const [one, two] = [client(), new Memberships()];
    two.came('kim');
    two.acknowledged('g', add('kim'));
    one.groupCame('nested', ['ada']);
    one.acknowledged('g', add('nested'));
    one.went('bob');
    const groups = new Map([
      ['g', ['kim', 'ada', 'nested']],
      ['nested', ['ada']],
    ]);
    expect(judgeGroups([one, two], groups)).toEqual([]);
    expect(
      judgeGroupsOf(
        'ada',
        [
          { value: 'nested', type: 'direct' },
          { value: 'g', type: 'direct' },
        ],
        groups,
      ),
    ).toEqual([]);
    expect(judgeGroupsOf('kim', [{ value: 'g', type: 'direct' }], groups)).toEqual([]);
    groups.set('g', ['kim', 'nested']);
    expect(
      judgeGroupsOf(
        'ada',
        [
          { value: 'g', type: 'indirect' },
          { value: 'nested', type: 'direct' },
        ],
        groups,
      ),
    ).toEqual([]);
  });
});
