import { charactersOf, hasParts, merged } from './parts.js';
import { isEqual, isJsonObject, type Json, type JsonObject } from './json.js';
import type { Attribute } from './schema.js';
import { isPrimary, isRoleText, keyOf, putValue, valuesByKey } from './value.js';

/**
 * The values of one multi-valued attribute while the operations of a request are applied to them. The key of a value is
 * found once a request, and an operation looks only at the values that it names: where each of 340 operations looked at
 * all of 1,000 e-mails, they took 220 ms. Values that were stored twice long ago are one from the beginning.
 */
export class ValueList {
  /** By keyOf, in their order. */
  private values: Map<string, Json>;
  /** The keys of the values of any type, by keyOf the value alone; made when it is asked for. */
  private ofAnyType: Map<string, Set<string>> | null = null;
  private knownCharacters: number | null = null;

  constructor(
    private readonly attribute: Attribute,
    private readonly before: Json | undefined,
  ) {
    this.values = valuesByKey(attribute, Array.isArray(before) ? (before as readonly Json[]) : []);
  }

  get size(): number {
    return this.values.size;
  }

  /** The work of looking at it: see MAX_PATCH_LOOK_CHARACTERS. */
  get characters(): number {
    return (this.knownCharacters ??= charactersOf([...this.values.values()]));
  }

  /** The values to be stored: undefined = there are none. The object that was stored before, when they are the same. */
  stored(): Json | undefined {
    if (this.values.size === 0) return undefined;
    const after = [...this.values.values()];
    return isEqual(this.before, after) ? this.before : after;
  }

  some(isMeant: (value: Json) => boolean): boolean {
    for (const value of this.values.values()) if (isMeant(value)) return true;
    return false;
  }

  replaceAll(given: readonly Json[]): void {
    this.become(valuesByKey(this.attribute, given));
  }

  /** RFC 7644 §3.5.2.1: what is there already is not added again; a known value takes the parts that came with it. */
  add(given: readonly Json[]): void {
    const marked = new Set<Json>();
    for (const value of given) {
      const key = keyOf(this.attribute, value);
      const known = this.values.get(key);
      const next = isJsonObject(known) && isJsonObject(value) ? merged(known, value) : value;
      if (known === undefined && isJsonObject(next)) this.index(key, next);
      if (next !== known) this.put(key, next);
      if (isPrimary(value) || (known !== undefined && marked.has(known))) marked.add(next);
    }
    if (marked.size > 0) this.change((value) => value, marked);
  }

  /**
   * Entra removes by a list of values, which RFC 7644 does not know: only these go, never all. Listed without a type, a
   * value means that value of any type. A listed value without `value` means the elements that have all its parts.
   */
  removeListed(listed: readonly Json[]): void {
    const descriptions: JsonObject[] = [];
    for (const entry of listed) {
      if (isJsonObject(entry) && entry.value === undefined) {
        descriptions.push(entry);
        continue;
      }
      this.delete(keyOf(this.attribute, entry));
      if (isJsonObject(entry) && entry.type === undefined)
        for (const key of this.keysOfAnyType(entry.value!)) this.delete(key);
    }
    if (descriptions.length === 0) return;
    for (const [key, value] of this.values) if (descriptions.some((parts) => hasParts(value, parts))) this.delete(key);
  }

  /**
   * Tells whether a listed value hits none although the client may mean one: it lists parts that no value has, or a
   * value that is there with another type.
   */
  isMissedBy(entry: Json): boolean {
    if (!isJsonObject(entry)) return false;
    const { type, value } = entry;
    if (value === undefined) return !this.some((element) => hasParts(element, entry));
    return (
      !this.values.has(keyOf(this.attribute, entry)) &&
      (isRoleText(value) || (type !== undefined && this.keysOfAnyType(value).size > 0))
    );
  }

  /**
   * Puts in the place of each value what `changed` makes of it, null = it goes; the same value = it stays. `marked` has
   * those that the operation marks as primary, and takes more while it is carried out: one of them takes the mark from
   * all others (RFC 7644 §3.5.2). `created` joins the values.
   */
  change(
    changed: (value: Json) => Json | null,
    marked: Set<Json>,
    created: () => JsonObject | null = () => null,
  ): void {
    const before = [...this.values];
    const after = before.map(([, value]) => changed(value));
    const more = created();
    if (more) after.push(more);
    const chosen = after.findLast((value) => value !== null && marked.has(value) && isPrimary(value));
    if (chosen)
      for (const [at, value] of after.entries())
        if (value !== chosen && value !== null && isPrimary(value)) after[at] = { ...value, primary: false };
    const keys = after.map((value, at) => (value === null ? null : this.keyAfter(before[at], value)));
    if (keys.every((key, at) => key === before[at]?.[0])) {
      for (const [at, [key, value]] of before.entries()) if (after[at] !== value) this.put(key, after[at]!);
      return;
    }
    // Two values may have become the same.
    const values = new Map<string, Json>();
    for (const [at, value] of after.entries()) if (value !== null) putValue(values, keys[at]!, value);
    this.become(values);
  }

  private keyAfter(before: readonly [string, Json] | undefined, value: Json): string {
    if (before) {
      const [key, known] = before;
      if (known === value) return key;
      if (
        isJsonObject(known) &&
        isJsonObject(value) &&
        known.value !== undefined &&
        known.value === value.value &&
        known.type === value.type
      )
        return key;
    }
    return keyOf(this.attribute, value);
  }

  private keysOfAnyType(value: Json): ReadonlySet<string> {
    if (!this.ofAnyType) {
      this.ofAnyType = new Map();
      for (const [key, known] of this.values) this.index(key, known);
    }
    return this.ofAnyType.get(keyOf(this.attribute, { value })) ?? NONE;
  }

  private index(key: string, value: Json): void {
    if (!this.ofAnyType || !isJsonObject(value) || value.value === undefined) return;
    const valueKey = keyOf(this.attribute, { value: value.value });
    const keys = this.ofAnyType.get(valueKey);
    if (keys) keys.add(key);
    else this.ofAnyType.set(valueKey, new Set([key]));
  }

  private put(key: string, value: Json): void {
    this.values.set(key, value);
    this.knownCharacters = null;
  }

  private delete(key: string): void {
    const value = this.values.get(key);
    if (value === undefined) return;
    this.values.delete(key);
    this.knownCharacters = null;
    if (this.ofAnyType && isJsonObject(value) && value.value !== undefined)
      this.ofAnyType.get(keyOf(this.attribute, { value: value.value }))?.delete(key);
  }

  private become(values: Map<string, Json>): void {
    this.values = values;
    this.ofAnyType = null;
    this.knownCharacters = null;
  }
}

const NONE: ReadonlySet<string> = new Set();
