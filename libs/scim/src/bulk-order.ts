import { mentionKey, PREFIX, referenceIn, referencesOf, type BulkOperation } from './bulk.js';
import { Rejected } from './error.js';
import { quote } from './json.js';
import { GROUP } from './schema.js';

/** One step: the operations that are done at a time. */
export interface BulkStep {
  /** They may be sent without waiting for each other, in this order; or they refer to each other in a circle. */
  readonly operations: readonly BulkOperation[];
  readonly isCircle: boolean;
}

/**
 * The order in which operations are carried out: that of the request, but that one which refers to a POST waits for it,
 * and later writes of the same resource, or of one that it names, wait for both (RFC 7644 §3.7: "the client's intent is
 * preserved"). Up to `maxTogether` of one method and type that stand next to each other and do not wait for each other
 * make one step.
 */
export const orderBulk = (operations: readonly BulkOperation[], maxTogether: number): BulkStep[] => {
  const needs = needsOf(operations);
  const steps: BulkStep[] = [];
  let together: { readonly operations: BulkOperation[]; readonly isCircle: false } | null = null;
  for (const unit of inOrder(needs)) {
    const members = unit.map((index) => operations[index]!);
    const [first] = members as [BulkOperation];
    if (members.length > 1 || needs[first.index]!.has(first.index)) {
      const impossible = circleOfGroups(members);
      steps.push(
        ...(impossible
          ? impossible.map((operation) => ({ operations: [operation], isCircle: false }))
          : [{ operations: members, isCircle: true }]),
      );
      together = null;
    } else if (
      together &&
      together.operations.length < maxTogether &&
      fits(first, together.operations, needs[first.index]!)
    ) {
      together.operations.push(first);
    } else {
      together = { operations: [first], isCircle: false };
      steps.push(together);
    }
  }
  return steps;
};

const fits = (operation: BulkOperation, others: readonly BulkOperation[], needs: ReadonlySet<number>): boolean => {
  const [{ write: before }] = others as [BulkOperation];
  const { write } = operation;
  if (write instanceof Rejected || before instanceof Rejected) return false;
  return (
    write.method === before.method &&
    write.definition === before.definition &&
    others.every(({ index }) => !needs.has(index))
  );
};

/**
 * For each operation those that it waits for. A POST waits for other POSTs only, so that nothing else can stand in a
 * circle.
 */
const needsOf = (operations: readonly BulkOperation[]): Set<number>[] => {
  const posts = new Map(
    operations.flatMap(({ method, bulkId, index }) =>
      method === 'POST' && bulkId !== undefined ? [[bulkId, index] as const] : [],
    ),
  );
  /** The operations that have written or named a resource since its last write, that write included. */
  const touched = new Map<string, number[]>();
  return operations.map(({ write, index }) => {
    const needs = new Set<number>();
    if (write instanceof Rejected) return needs;
    for (const text of write.mentions) {
      const reference = referenceIn(text);
      const post = reference === undefined ? undefined : posts.get(reference);
      if (post !== undefined) needs.add(post);
      if (text === write.target) continue;
      const key = mentionKey(text);
      if (touched.has(key)) touched.get(key)!.push(index);
      else touched.set(key, [index]);
    }
    if (write.target !== null) {
      for (const earlier of touched.get(mentionKey(write.target)) ?? []) if (earlier !== index) needs.add(earlier);
      touched.set(mentionKey(write.target), [index]);
    }
    return needs;
  });
};

/** Units in the order of their first operations, each after those that it needs. A circle is one unit. */
const inOrder = (needs: readonly ReadonlySet<number>[]): number[][] => {
  const units = circlesOf(needs);
  const unitOf: number[] = [];
  for (const [unit, members] of units.entries()) for (const index of members) unitOf[index] = unit;
  const waiting = units.map(
    (members, unit) =>
      new Set(
        members.flatMap((index) => [...needs[index]!].map((need) => unitOf[need]!).filter((need) => need !== unit)),
      ),
  );
  const dependents = units.map((): number[] => []);
  for (const [unit, needed] of waiting.entries()) for (const need of needed) dependents[need]!.push(unit);
  const byFirst = (unit: number): number => units[unit]![0]!;
  /** Those that wait for nothing, the first one last. */
  const ready = units
    .flatMap((_, unit) => (waiting[unit]!.size === 0 ? [unit] : []))
    .sort((a, b) => byFirst(b) - byFirst(a));
  const order: number[][] = [];
  for (let unit = ready.pop(); unit !== undefined; unit = ready.pop()) {
    order.push(units[unit]!);
    for (const dependent of dependents[unit]!) {
      waiting[dependent]!.delete(unit);
      if (waiting[dependent]!.size > 0) continue;
      const at = ready.findLastIndex((other) => byFirst(other) > byFirst(dependent));
      ready.splice(at + 1, 0, dependent);
    }
  }
  return order;
};

/**
 * Strongly connected components, each in ascending order (Tarjan, without recursion: a chain may be as long as the
 * request).
 */
const circlesOf = (needs: readonly ReadonlySet<number>[]): number[][] => {
  const found: number[][] = [];
  const numbers: number[] = [];
  const lowest: number[] = [];
  const open = new Set<number>();
  const stack: number[] = [];
  let next = 0;
  const enter = (index: number): { readonly index: number; readonly left: Iterator<number> } => {
    numbers[index] = lowest[index] = next++;
    stack.push(index);
    open.add(index);
    return { index, left: needs[index]!.values() };
  };
  for (const start of needs.keys()) {
    if (numbers[start] !== undefined) continue;
    const path = [enter(start)];
    for (let at = path.at(-1); at; at = path.at(-1)) {
      const { value: need, done } = at.left.next();
      if (!done) {
        if (numbers[need] === undefined) path.push(enter(need));
        else if (open.has(need)) lowest[at.index] = Math.min(lowest[at.index]!, numbers[need]);
        continue;
      }
      path.pop();
      const above = path.at(-1);
      if (above) lowest[above.index] = Math.min(lowest[above.index]!, lowest[at.index]!);
      if (lowest[at.index] !== numbers[at.index]) continue;
      const circle = stack.splice(stack.lastIndexOf(at.index));
      for (const index of circle) open.delete(index);
      found.push(circle.sort((a, b) => a - b));
    }
  }
  return found;
};

/**
 * Groups that are each other's members cannot be: that is known before anything is tried. Null = the circle is of
 * another kind.
 */
const circleOfGroups = (operations: readonly BulkOperation[]): BulkOperation[] | null => {
  const circle = new Set(operations.map(({ bulkId }) => bulkId!));
  const isOfMembers = operations.every(({ write }) => {
    if (write instanceof Rejected || write.definition !== GROUP) return false;
    const others = Object.entries(write.data as { readonly [name: string]: unknown }).filter(
      ([name]) => name.toLowerCase() !== 'members',
    );
    return [...referencesOf(others.map(([, value]) => value))].every((reference) => !circle.has(reference));
  });
  if (!isOfMembers) return null;
  const names = [...circle]
    .map((bulkId) => quote(PREFIX + bulkId))
    .slice(0, 10)
    .join(', ');
  const write = new Rejected(
    'conflict',
    `The circle of ${names} cannot be resolved: a group would contain itself. Take one of these members out.`,
  );
  return operations.map((operation) => ({ ...operation, write }));
};
