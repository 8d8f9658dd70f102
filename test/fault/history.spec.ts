import { describe, expect, it } from 'vitest';
import { judgeContest, judgeListing, Track, type Seen, type Write } from './history.js';

const seen = (mark: string, version: number, more: Partial<Seen> = {}): Seen => ({
  id: 'id-1',
  userName: 'Ada@x',
  marks: [mark],
  active: true,
  version,
  ...more,
});
const create: Write = { kind: 'create', mark: 'm0' };
const patch = (mark: string, ifMatch: number | null = null): Write => ({ kind: 'patch', mark, ifMatch });
const deactivate: Write = { kind: 'activate', active: false };
const remove: Write = { kind: 'delete' };

/** A user that was created with mark m0 and patched to m1, both acknowledged. */
const ada = (): Track => {
  const track = new Track('Ada@x');
  expect(track.acknowledged(create, seen('m0', 1))).toBeNull();
  expect(track.acknowledged(patch('m1'), seen('m1', 2))).toBeNull();
  return track;
};

describe('a history without faults', () => {
  it('of acknowledged writes allows exactly the last state', () => {
    const track = ada();
    expect(track.acknowledged(deactivate, seen('m1', 3, { active: false }))).toBeNull();
    expect(track.acknowledged(deactivate, seen('m1', 3, { active: false }))).toBeNull();
    expect(track.read(seen('m1', 3, { active: false }))).toBeNull();
    expect(track.acknowledged(remove, null)).toBeNull();
    expect(track.read(null)).toBeNull();
    expect([...track.deletedIds]).toEqual(['id-1']);
    expect(track.acknowledged(create, seen('m0', 1, { id: 'id-2' }))).toBeNull();
    expect(track.id).toBe('id-2');
  });

  it('lets come back whom it archived, as the same user', () => {
    const track = ada();
    track.acknowledged(deactivate, seen('m1', 3, { active: false }));
    expect(track.acknowledged(create, seen('m0', 5))).toBeNull();
    expect(track.refused(create, 409)).toBeNull();
    expect(track.read(seen('m0', 5))).toBeNull();
  });

  it('allows both ends of a write that got no answer, until a later answer decides', () => {
    for (const end of [seen('m1', 2), seen('m2', 3)]) {
      const track = ada();
      track.lost(patch('m2'));
      expect(track.settled).toBe(false);
      expect(track.read(end)).toBeNull();
      expect(track.acknowledged(deactivate, { ...end, active: false, version: end.version + 1 })).toBeNull();
      expect(track.settled).toBe(true);
    }
  });

  it('allows any of several writes without answer, in their order', () => {
    const track = ada();
    track.lost(patch('m2'));
    track.lost(patch('m3'));
    track.lost(remove);
    for (const end of [seen('m1', 2), seen('m2', 3), seen('m3', 3), seen('m3', 4), null])
      expect(track.read(end)).toBeNull();
    expect(track.read(seen('m2', 2))).not.toBeNull();
  });

  it('takes a refusal as the proof of what got no answer', () => {
    const created = new Track('Ada@x');
    created.lost(create);
    expect(created.refused({ kind: 'create', mark: 'again' }, 409)).toBeNull();
    expect(created.presence).toBe('present');
    expect(created.read(seen('m0', 1))).toBeNull();
    expect(created.id).toBe('id-1');
    const deleted = ada();
    deleted.lost(remove);
    expect(deleted.refused(patch('m2'), 404)).toBeNull();
    expect(deleted.presence).toBe('absent');
  });
});

describe('a planted violation is found:', () => {
  const violations: [title: string, run: () => string | null | string[]][] = [
    [
      'an acknowledged creation is missing',
      () => {
        const track = new Track('Ada@x');
        track.acknowledged(create, seen('m0', 1));
        return track.read(null);
      },
    ],
    ['an acknowledged change is missing', () => ada().read(seen('m0', 1))],
    ['an acknowledged change is missing, but its version is there', () => ada().read(seen('m0', 2))],
    [
      'who comes back is somebody else',
      () => {
        const track = ada();
        track.acknowledged(deactivate, seen('m1', 3, { active: false }));
        return track.acknowledged(create, seen('m0', 1, { id: 'id-2' }));
      },
    ],
    [
      'an acknowledged deactivation is missing',
      () => {
        const track = ada();
        track.acknowledged(deactivate, seen('m1', 3, { active: false }));
        return track.read(seen('m1', 3));
      },
    ],
    [
      'a deleted user is back',
      () => {
        const track = ada();
        track.acknowledged(remove, null);
        return track.read(seen('m1', 2));
      },
    ],
    ['the answer to a write shows something else', () => ada().acknowledged(patch('m2'), seen('m1', 3))],
    ['the answer to a write has the old version', () => ada().acknowledged(patch('m2'), seen('m2', 2))],
    ['a write answers with another user', () => ada().acknowledged(patch('m2'), seen('m2', 3, { id: 'id-2' }))],
    ['a version moved without a write', () => ada().read(seen('m1', 3))],
    [
      'a refused patch left a trace',
      () => {
        const track = ada();
        expect(track.refused(patch('m2', 1), 412)).toBeNull();
        return track.read(seen('m2', 3));
      },
    ],
    [
      'a refused invalid request left a trace',
      () => {
        const track = ada();
        expect(track.refused({ kind: 'invalid', mark: 'm2' }, 400)).toBeNull();
        return track.read(seen('m2', 3));
      },
    ],
    ['an invalid request was accepted', () => ada().acknowledged({ kind: 'invalid', mark: 'm2' }, seen('m2', 3))],
    ['a stale If-Match was accepted', () => ada().acknowledged(patch('m2', 1), seen('m2', 3))],
    ['a good If-Match was refused', () => ada().refused(patch('m2', 2), 412)],
    ['a free name was refused', () => new Track('Ada@x').refused(create, 409)],
    [
      'a taken name was given again',
      () => ada().acknowledged({ kind: 'create', mark: 'm2' }, seen('m2', 1, { id: 'id-2' })),
    ],
    ['an existing user was not found', () => ada().refused(patch('m2'), 404)],
    [
      'a write without answer is there by half',
      () => {
        const track = ada();
        track.lost(patch('m2'));
        return track.read(seen('', 3, { marks: ['m1', 'm2'] }));
      },
    ],
    [
      'a write without answer overwrote what was acknowledged after it',
      () => {
        const track = ada();
        track.lost(patch('m2'));
        expect(track.acknowledged(patch('m3'), seen('m3', 3))).toBeNull();
        return track.read(seen('m2', 4));
      },
    ],
    [
      'a write without answer happened twice',
      () => {
        const track = ada();
        track.lost(patch('m2'));
        expect(track.acknowledged(patch('m3'), seen('m3', 4))).toBeNull();
        return track.read(seen('m2', 5));
      },
    ],
    [
      'one name has two users',
      () => judgeListing([ada()], new Set(), [seen('m1', 2), seen('m1', 2, { id: 'id-2', userName: 'ADA@x' })]),
    ],
    ['the listing misses a user', () => judgeListing([ada()], new Set(), [])],
    [
      'the listing shows a user that nobody was told of',
      () => judgeListing([ada()], new Set(), [seen('m1', 2), seen('m9', 1, { id: 'id-9', userName: 'eve@x' })]),
    ],
    [
      'the listing shows a user twice',
      () => judgeListing([ada()], new Set(['bob@x']), [seen('m1', 2), seen('m1', 2, { userName: 'bob@x' })]),
    ],
  ];
  it.each(violations)('%s', (_title, run) => {
    const found = run();
    expect(typeof found === 'string' || (Array.isArray(found) && found.length > 0)).toBe(true);
  });

  it('but a listing that agrees is none', () => {
    const gone = new Track('gone@x');
    const contested = seen('c1', 1, { id: 'id-3', userName: 'Contested@x' });
    expect(judgeListing([ada(), gone], new Set(['contested@x']), [seen('m1', 2), contested])).toEqual([]);
  });
});

describe('several creations of one name at once', () => {
  const won = (mark: string, id: string) => ({ mark, told: { status: 201, id } });
  const refused = (mark: string, status = 409) => ({ mark, told: { status, id: null } });
  const lost = (mark: string) => ({ mark, told: null });
  const user = (mark: string, id: string): Seen => seen(mark, 1, { id });

  it('have one winner at most, and the others leave nothing behind', () => {
    expect(judgeContest('n', [won('a', '1'), refused('b'), lost('c')], [user('a', '1')])).toEqual([]);
    expect(judgeContest('n', [lost('a'), refused('b')], [user('a', '1')])).toEqual([]);
    expect(judgeContest('n', [lost('a'), lost('b')], [])).toEqual([]);
    expect(judgeContest('n', [lost('a'), lost('b')], [user('b', '1')])).toEqual([]);
  });

  it.each([
    ['two winners', [won('a', '1'), won('b', '2')], [user('a', '1')]],
    ['two users', [won('a', '1'), lost('b')], [user('a', '1'), user('b', '2')]],
    ['the winner is gone', [won('a', '1'), refused('b')], []],
    ['a loser has the name', [won('a', '1'), refused('b')], [user('b', '2')]],
    ['the winner has another id', [won('a', '1'), refused('b')], [user('a', '2')]],
    ['one without answer has the name of the winner', [won('a', '1'), lost('b')], [user('b', '2')]],
    ['a refused one has the name', [lost('a'), refused('b')], [user('b', '2')]],
    ['all were refused', [refused('a'), refused('b')], []],
    ['refused for another reason', [won('a', '1'), refused('b', 400)], [user('a', '1')]],
    ['the winner is torn', [won('a', '1')], [{ ...user('a', '1'), marks: ['a', 'b'] }]],
  ])('a planted violation is found: %s', (_title, attempts, found) => {
    expect(judgeContest('n', attempts, found)).not.toEqual([]);
  });
});
