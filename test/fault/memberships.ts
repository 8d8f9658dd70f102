/**
 * Keeps what one client was told about memberships, and what may therefore be true. Its users are members by its own
 * writes only, however many others write to the same groups at the same time, so that after each answer few sets of
 * them are possible: exactly one after an answer that tells, two after a PATCH that got none – all of it or nothing of
 * it. Pure: the checker itself is tested with planted violations (memberships.spec.ts).
 */

/** One operation of a PATCH, or (replace) a PUT; ids of users and of groups. */
export interface Change {
  readonly op: 'add' | 'remove' | 'replace';
  readonly ids: readonly string[];
}

/** gone = an answer says that it was deleted, for good; unclear = a deletion got no answer, or not yet. */
type Presence = 'here' | 'unclear' | 'gone';
/** The client's users who are in a group. One who is gone may have left since. */
type World = ReadonlySet<string>;

export class Memberships {
  private readonly presences = new Map<string, Presence>();
  private readonly worlds = new Map<string, readonly World[]>();
  /** Users who may ever have been members, by group: one who is deleted by its directory stays a hidden member. */
  private readonly been = new Map<string, Set<string>>();
  private mayArrive = false;

  /** The ids of all users and groups that it has made. */
  get ids(): Iterable<string> {
    return this.presences.keys();
  }

  owns(id: string): boolean {
    return this.presences.has(id);
  }

  isGone(id: string): boolean {
    return this.presences.get(id) === 'gone';
  }

  /** The number of sets of its users that may be in the group. */
  possibilities(group: string): number {
    return this.of(group).length;
  }

  /**
   * Tells whether a write that got no answer may still come: until a later one is answered, because the writes to
   * groups are one lane.
   */
  get isUndecided(): boolean {
    return this.mayArrive;
  }

  /** A user or group of the client's was created. */
  came(id: string): void {
    this.presences.set(id, 'here');
  }

  /** Its deletion is being sent, or got no answer. */
  mayGo(id: string): void {
    if (!this.isGone(id)) this.presences.set(id, 'unclear');
  }

  /** Its deletion was acknowledged: it leaves its groups in a while, and can never come back. */
  went(id: string): void {
    this.presences.set(id, 'gone');
  }

  /** It is still there, for certain. Returns a violation where an answer has said otherwise. */
  stayed(id: string): string | null {
    const wasGone = this.isGone(id);
    this.presences.set(id, 'here');
    return wasGone ? `${id} is there, but it left a group, or an answer said that there is nothing with this id` : null;
  }

  /** A group that only this client writes to was created, with these members. */
  groupCame(group: string, members: readonly string[]): void {
    this.came(group);
    this.mayArrive = false;
    this.may(group, [new Set(members)]);
  }

  /** Its deletion was acknowledged: it is in no group from now on. */
  groupWent(group: string): void {
    this.went(group);
    this.mayArrive = false;
    this.worlds.delete(group);
    for (const [other, worlds] of this.worlds) {
      this.worlds.set(other, distinct(worlds.map((world) => without(world, group))));
      this.been.get(other)?.delete(group);
    }
  }

  /** The creation or deletion of a group got no answer. */
  groupLost(): void {
    this.mayArrive = true;
  }

  /** The changes were answered 2xx. */
  acknowledged(group: string, changes: readonly Change[]): string | null {
    this.mayArrive = false;
    const before = this.of(group);
    const after = before.flatMap((world) => this.after(group, world, changes) ?? []);
    for (const { op, ids } of changes) if (op === 'remove') for (const id of ids) this.been.get(group)?.delete(id);
    this.may(group, distinct(after.length > 0 ? after : before));
    return after.length > 0
      ? null
      : violation(group, `${JSON.stringify(changes)} was accepted, but it adds somebody who is gone`);
  }

  /**
   * The changes were answered 4xx, which changes nothing: somebody who is to become a member must be gone, and `detail`
   * says who.
   */
  refused(group: string, changes: readonly Change[], status: number, detail: string): string | null {
    this.mayArrive = false;
    const named = changes
      .flatMap(({ op, ids }) => (op === 'remove' ? [] : ids))
      .find((id) => detail.includes(id) && this.presences.get(id) !== 'here');
    if (status !== 400 || named === undefined)
      return violation(group, `${JSON.stringify(changes)} was refused with ${status}: ${detail}`);
    if (this.owns(named)) this.went(named);
    // A member is not looked up: so it is none, unless this PATCH had removed it.
    if (changes.every(({ op }) => op === 'add'))
      this.worlds.set(group, distinct(this.of(group).map((world) => without(world, named))));
    return null;
  }

  /** Nobody knows: it happened wholly, or not at all. */
  lost(group: string, changes: readonly Change[]): void {
    this.mayArrive = true;
    this.may(group, distinct(this.of(group).flatMap((world) => [world, this.after(group, world, changes) ?? world])));
  }

  /** A read showed these members, of whom this is about its own. It excludes nothing that is still on its way. */
  read(group: string, shown: readonly string[]): string | null {
    const own = new Set(shown.filter((id) => this.owns(id)));
    const explaining = this.of(group).filter((world) => this.explains(world, own));
    if (explaining.length === 0) {
      const before = this.of(group);
      // Believe it from now on: one fault is one violation.
      if (!this.mayArrive) this.worlds.set(group, [own]);
      const differences = before.map(
        (world) =>
          `surplus ${list([...own].filter((id) => !world.has(id)))}, missing ${list(this.missing(world, own))}`,
      );
      return violation(group, `a read showed ${own.size} of its users: ${differences.join('; or ')}`);
    }
    if (this.mayArrive) return null;
    // A member that was not removed has left: then it is gone.
    for (const id of explaining[0]!) {
      if (!own.has(id) && explaining.every((world) => world.has(id))) this.went(id);
    }
    this.worlds.set(group, [own]);
    return null;
  }

  private may(group: string, worlds: readonly World[]): void {
    this.worlds.set(group, worlds);
    const been = this.been.get(group) ?? new Set();
    for (const world of worlds) for (const id of world) been.add(id);
    this.been.set(group, been);
  }

  private of(group: string): readonly World[] {
    return this.worlds.get(group) ?? [new Set()];
  }

  private explains(world: World, own: World): boolean {
    return [...own].every((id) => world.has(id)) && this.missing(world, own).length === 0;
  }

  private missing(world: World, own: World): string[] {
    return [...world].filter((id) => !own.has(id) && this.presences.get(id) === 'here');
  }

  /** The members of the group after the changes; null where they have to be refused. */
  private after(group: string, world: World, changes: readonly Change[]): World | null {
    const after = new Set(world);
    const hidden = new Set(this.been.get(group));
    for (const { op, ids } of changes) {
      if (op === 'replace') for (const id of after) if (!ids.includes(id)) after.delete(id);
      for (const id of ids) {
        if (op === 'remove') {
          after.delete(id);
          hidden.delete(id);
        } else if (this.isGone(id) && hidden.has(id)) continue;
        else if (!after.has(id) && (this.isGone(id) || !this.owns(id))) return null;
        else after.add(id);
      }
    }
    return after;
  }
}

const without = (world: World, id: string): World => new Set([...world].filter((one) => one !== id));
const distinct = (worlds: readonly World[]): World[] => [
  ...new Map(worlds.map((world) => [[...world].sort().join(), world])).values(),
];
const violation = (group: string, what: string): string => `group ${group}: ${what}`;
const list = (ids: readonly string[]): string => `[${ids.join(', ')}]`;

/** Names in words those who are gone for certain and still members: nobody, as soon as the lanes are drained. */
export const stillThere = (
  histories: readonly Memberships[],
  groups: ReadonlyMap<string, readonly string[]>,
): string[] =>
  [...groups].flatMap(([group, shown]) =>
    shown
      .filter((id) => histories.some((history) => history.isGone(id)))
      .map((id) => violation(group, `${id} is gone, and a member`)),
  );

/**
 * After the last write, the lanes drained, and nothing unclear any more: every group that there is, against all
 * histories.
 */
export const judgeGroups = (
  histories: readonly Memberships[],
  groups: ReadonlyMap<string, readonly string[]>,
): string[] => {
  const violations = stillThere(histories, groups);
  for (const [group, shown] of groups) {
    if (new Set(shown).size !== shown.length) violations.push(violation(group, 'shows a member twice'));
    for (const id of shown) {
      if (!histories.some((history) => history.owns(id)))
        violations.push(violation(group, `${id} is a member, whom nobody has added`));
    }
    for (const history of histories) {
      const found = history.read(group, shown);
      if (found) violations.push(found);
    }
  }
  return violations;
};

export interface GroupOfMember {
  readonly value: string;
  readonly type: string;
}

/**
 * Compares what a user says of its groups with what the groups say of their members: direct and indirect ones, each
 * once.
 */
export const judgeGroupsOf = (
  id: string,
  shown: readonly GroupOfMember[],
  groups: ReadonlyMap<string, readonly string[]>,
): string[] => {
  const containing = (member: string): string[] =>
    [...groups].filter(([, members]) => members.includes(member)).map(([group]) => group);
  const direct = new Set(containing(id));
  const all = new Set(direct);
  for (const group of all) for (const parent of containing(group)) all.add(parent);
  const expected = [...all].map((group) => `${group} ${direct.has(group) ? 'direct' : 'indirect'}`).sort();
  const found = shown.map(({ value, type }) => `${value} ${type}`).sort();
  return expected.join() === found.join()
    ? []
    : [`user ${id} is in the groups ${list(found)}, but they say ${list(expected)}`];
};
