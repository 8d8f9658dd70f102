/**
 * Keeps what clients were told, and what may therefore be true. One client writes to one user, one write at a time, so
 * that after each answer only few states of that user are possible: exactly one after an answer that tells, two after a
 * write that got none. Pure: the checker itself is tested with planted violations (history.spec.ts).
 */

/** A user as an answer shows it. */
export interface Seen {
  readonly id: string;
  readonly userName: string;
  /** Every write sets several attributes to the same mark: one value, or the write was torn. */
  readonly marks: readonly string[];
  readonly active: boolean;
  readonly version: number;
}

/** One possible state; null = there is no such user. */
type World = {
  /** null while no answer has told. */
  readonly id: string | null;
  readonly mark: string;
  readonly active: boolean;
  readonly version: number | null;
  readonly versionAtLeast: number;
} | null;

export type Write =
  | { readonly kind: 'create'; readonly mark: string }
  | { readonly kind: 'patch'; readonly mark: string; readonly ifMatch: number | null }
  | { readonly kind: 'activate'; readonly active: boolean }
  | { readonly kind: 'delete' }
  /** A request that must be refused whatever the state, with 400. */
  | { readonly kind: 'invalid'; readonly mark: string };

type Effect = { readonly world: World } | { readonly refusedWith: number };

const changed = (world: NonNullable<World>, change: { mark?: string; active?: boolean }): Effect => ({
  world: { ...world, ...change, version: null, versionAtLeast: (world.version ?? world.versionAtLeast) + 1 },
});

const effectOf = (write: Write, world: World): Effect => {
  switch (write.kind) {
    case 'invalid':
      return { refusedWith: 400 };
    case 'create':
      if (!world) return { world: { id: null, mark: write.mark, active: true, version: null, versionAtLeast: 1 } };
      // A user who was archived comes back (decision 5).
      return world.active ? { refusedWith: 409 } : changed(world, { mark: write.mark, active: true });
    case 'patch':
      if (!world) return { refusedWith: 404 };
      return write.ifMatch !== null && write.ifMatch !== world.version
        ? { refusedWith: 412 }
        : changed(world, { mark: write.mark });
    case 'activate':
      if (!world) return { refusedWith: 404 };
      // Nothing changes: no event, the same version.
      return world.active === write.active ? { world } : changed(world, { active: write.active });
    case 'delete':
      return world ? { world: null } : { refusedWith: 404 };
  }
};

const shows = (seen: Seen | null, world: World): boolean => {
  if (!seen || !world) return seen === world;
  return (
    (world.id === null || world.id === seen.id) &&
    seen.marks.length === 1 &&
    seen.marks[0] === world.mark &&
    seen.active === world.active &&
    (world.version === null ? seen.version >= world.versionAtLeast : seen.version === world.version)
  );
};

const worldOf = (seen: Seen | null): World =>
  seen && {
    id: seen.id,
    mark: seen.marks.join('|'),
    active: seen.active,
    version: seen.version,
    versionAtLeast: seen.version,
  };

/** The history of one user name. Every method returns a violation in words, or null. */
export class Track {
  private worlds: readonly World[] = [null];
  /** Ids whose deletion was acknowledged. */
  readonly deletedIds = new Set<string>();

  constructor(readonly userName: string) {}

  /** Tells whether only one state is possible. */
  get settled(): boolean {
    return this.worlds.length === 1;
  }

  /** Tells whether the user certainly exists, certainly not, or either. */
  get presence(): 'present' | 'absent' | 'unclear' {
    if (this.worlds.every((world) => world === null)) return 'absent';
    return this.worlds.includes(null) ? 'unclear' : 'present';
  }

  /** The id by which the user can be addressed; null where no answer has told it. */
  get id(): string | null {
    return this.worlds.find((world) => world?.id)?.id ?? null;
  }

  get version(): number | null {
    return this.settled ? (this.worlds[0]?.version ?? null) : null;
  }

  get active(): boolean {
    return this.worlds.some((world) => world?.active);
  }

  /** The write was answered 2xx with this user (null for a deletion). */
  acknowledged(write: Write, seen: Seen | null): string | null {
    const effects = this.worlds.map((world) => effectOf(write, world));
    const explained = effects.some((effect) => 'world' in effect && shows(seen, effect.world));
    const violation = explained ? null : this.violation(`${describe(write)} was answered 2xx with ${show(seen)}`);
    if (write.kind === 'delete' && this.id !== null) this.deletedIds.add(this.id);
    if (seen) this.deletedIds.delete(seen.id);
    this.worlds = [worldOf(seen)];
    return violation;
  }

  /** The write was answered 4xx: it must have had a reason, and changes nothing. */
  refused(write: Write, status: number): string | null {
    const explaining = this.worlds.filter((world) => {
      const effect = effectOf(write, world);
      return 'refusedWith' in effect && effect.refusedWith === status;
    });
    if (explaining.length === 0) {
      const violation = this.violation(`${describe(write)} was refused with ${status}`);
      // Believe it from now on: one fault is one violation.
      if (status === 404) this.worlds = [null];
      return violation;
    }
    this.worlds = explaining;
    return null;
  }

  /** Nobody knows: it happened wholly, or not at all. */
  lost(write: Write): null {
    const all = this.worlds.flatMap((world) => {
      const effect = effectOf(write, world);
      return 'world' in effect ? [world, effect.world] : [world];
    });
    this.worlds = [...new Map(all.map((world) => [JSON.stringify(world), world])).values()];
    return null;
  }

  /** A read showed the user, or (null) that there is none. It excludes nothing that is still on its way. */
  read(seen: Seen | null): string | null {
    if (!this.worlds.some((world) => shows(seen, world))) return this.violation(`a read showed ${show(seen)}`);
    if (this.settled) this.worlds = [worldOf(seen)];
    // A user who was deleted and is sent again has the id of before, also when the answer was lost.
    if (seen) this.deletedIds.delete(seen.id);
    return null;
  }

  private violation(what: string): string {
    return `${this.userName}: ${what}, but possible was only ${this.worlds.map((world) => JSON.stringify(world)).join(' or ')}`;
  }
}

const describe = (write: Write): string => JSON.stringify(write);
const show = (seen: Seen | null): string => (seen ? JSON.stringify(seen) : 'no user');

/** One of several creations of the same name that were sent at once; what it was told, null = nothing. */
export interface Attempt {
  readonly mark: string;
  readonly told: { readonly status: number; readonly id: string | null } | null;
}

/** Several clients created one name at once, and nobody wrote to it later: at most one of them may have succeeded. */
export const judgeContest = (userName: string, attempts: readonly Attempt[], found: readonly Seen[]): string[] => {
  const won = attempts.filter(({ told }) => told?.status === 201);
  const refused = attempts.filter(({ told }) => told !== null && told.status !== 201);
  const lost = attempts.filter(({ told }) => told === null);
  const violations: string[] = [];
  const add = (holds: boolean, what: string): void => {
    if (!holds)
      violations.push(`${userName}: ${what}; attempts ${JSON.stringify(attempts)}, found ${JSON.stringify(found)}`);
  };
  add(won.length <= 1, `${won.length} creations of one name were answered 201`);
  add(
    refused.every(({ told }) => told?.status === 409),
    'a creation was refused, but not with 409',
  );
  add(found.length <= 1, `${found.length} users have one name`);
  add(
    found.length === 1 || (won.length === 0 && refused.length === 0),
    'somebody was told that the name is taken, but nobody has it',
  );
  const owners = won.length > 0 ? won : lost;
  const isOwner = ({ id, marks }: Seen): boolean =>
    marks.length === 1 && owners.some(({ mark, told }) => mark === marks[0] && (told === null || told.id === id));
  add(found.every(isOwner), 'the name belongs to somebody who did not win it');
  return violations;
};

/** All users of the tenant against all histories: what nobody wrote, what is missing, and names that two users have. */
export const judgeListing = (
  tracks: readonly Track[],
  contested: ReadonlySet<string>,
  listed: readonly Seen[],
): string[] => {
  const violations: string[] = [];
  const byName = new Map<string, Seen[]>();
  for (const seen of listed)
    byName.set(seen.userName.toLowerCase(), [...(byName.get(seen.userName.toLowerCase()) ?? []), seen]);
  for (const track of tracks) {
    const found = byName.get(track.userName.toLowerCase()) ?? [];
    byName.delete(track.userName.toLowerCase());
    if (found.length > 1)
      violations.push(`${track.userName}: ${found.length} users have one name: ${JSON.stringify(found)}`);
    const violation = track.read(found[0] ?? null);
    if (violation) violations.push(`in the listing of all users ${violation}`);
  }
  for (const [name, found] of byName) {
    if (!contested.has(name))
      violations.push(`${name}: nobody was told that this user exists: ${JSON.stringify(found)}`);
  }
  const ids = new Map(listed.map((seen) => [seen.id, seen]));
  if (ids.size !== listed.length) violations.push('the listing shows one id twice');
  return violations;
};
