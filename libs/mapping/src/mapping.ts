import {
  checkText,
  isObject,
  isReadOnly,
  parseTarget,
  Rejected,
  writerOf,
  Writing,
  type Json,
  type Resource,
  type ResourceDefinition,
  type Target,
  type Writer,
} from '#scim';
import { compileExpression, type CompiledExpression, type Read } from './compile.js';
import { isoOf } from './dates.js';
import { ExpressionFault, type Position } from './fault.js';
import { LeftOut, Run, type Given } from './run.js';
import { readTarget, scimSources } from './sources.js';
import { Instant, isEmpty, isList, numberOf, textOf, wellFormed, type Value } from './value.js';

export const MAX_MAPPINGS = 200;
/** Length of all expressions of a mapping, in UTF-16 units: more than are compiled in 100 ms. */
export const MAX_MAPPING_CHARACTERS = 65_536;

/**
 * The times at which a line writes: `absent` = on create and update, if no value came in at its target. Where a line
 * writes on create only, an update leaves what is at its target, whatever came in.
 */
export const WHEN = ['always', 'create', 'update', 'absent'] as const;
export type When = (typeof WHEN)[number];

/** One line of a directory's mapping: the target, a SCIM path, gets what the expression makes of what came in. */
export interface AttributeMapping {
  readonly target: string;
  readonly expression: string;
  readonly when: When;
}

/** Why a line cannot be saved, or, as a warning, what will happen; `position` is in its expression. */
export interface MappingFault {
  /** The line, counted from 0. */
  readonly index: number;
  readonly field: 'target' | 'expression' | 'when' | null;
  readonly detail: string;
  readonly position?: Position;
  readonly expected?: string;
}

/** A checked list of mappings, for many users. */
export interface Mapping {
  readonly definition: ResourceDefinition;
  readonly lines: readonly Line[];
  readonly warnings: readonly MappingFault[];
}

interface Line {
  readonly index: number;
  readonly target: Target;
  readonly present: Read;
  readonly when: When;
  readonly expression: CompiledExpression;
  readonly write: Writer;
  readonly fit: Fit;
  /** The outcome for each user to whom it writes a value, and to whom it writes one that belongs into no log. */
  readonly written: Written;
  readonly redacted: Written;
}

/**
 * The list as somebody typed it, checked as a whole: unknown functions, attributes and targets, wrong arguments,
 * targets that only the service writes, and two lines that write one target at the same time.
 */
export const readMapping = (
  definition: ResourceDefinition,
  list: unknown,
): { readonly mapping: Mapping } | { readonly faults: readonly MappingFault[] } => {
  const whole = (detail: string): { faults: MappingFault[] } => ({ faults: [{ index: 0, field: null, detail }] });
  if (!Array.isArray(list)) return whole('The mapping must be a list of {target, expression, when}.');
  if (list.length > MAX_MAPPINGS) return whole(`The mapping has ${list.length} lines; the limit is ${MAX_MAPPINGS}.`);
  const characters = (list as unknown[]).reduce<number>(
    (sum, line) => sum + (isObject(line) && typeof line.expression === 'string' ? line.expression.length : 0),
    0,
  );
  if (characters > MAX_MAPPING_CHARACTERS)
    return whole(`The expressions have ${characters} characters together; the limit is ${MAX_MAPPING_CHARACTERS}.`);
  const faults: MappingFault[] = [];
  const warnings: MappingFault[] = [];
  const lines: Line[] = [];
  for (const [index, given] of (list as unknown[]).entries()) {
    const line = readLine(definition, given, index, faults);
    if (!line) continue;
    const other = lines.find((known) => isSameTime(known, line));
    if (other)
      faults.push({
        index,
        field: 'target',
        detail: `Line ${other.index + 1} writes ${line.target.text} at the same time: take one of them out, or let one write on create and the other on update.`,
      });
    if (line.expression.random.length > 0 && line.when !== 'create' && line.when !== 'absent')
      warnings.push({
        index,
        field: 'when',
        detail: `${line.expression.random.join(', ')} gives another value each time, so that every update changes ${line.target.text}: write it on create only.`,
      });
    lines.push(line);
  }
  return faults.length > 0 ? { faults } : { mapping: { definition, lines, warnings } };
};

const isSameTarget = (a: Line, b: Line): boolean => a.target.text.toLowerCase() === b.target.text.toLowerCase();

const isSameTime = (a: Line, b: Line): boolean =>
  isSameTarget(a, b) && !(a.when === 'create' && b.when === 'update') && !(a.when === 'update' && b.when === 'create');

const readLine = (
  definition: ResourceDefinition,
  given: unknown,
  index: number,
  faults: MappingFault[],
): Line | undefined => {
  const fail = (field: MappingFault['field'], detail: string): void => void faults.push({ index, field, detail });
  if (!isObject(given)) return void fail(null, 'A line must be an object with target, expression and when.');
  const { target: path, expression: text, when = 'always' } = given;
  const chosen = WHEN.find((known) => known === when);
  if (!chosen) fail('when', `when must be one of ${WHEN.join(', ')}.`);
  const target = typeof path === 'string' ? readTargetPath(definition, path, fail) : undefined;
  if (typeof path !== 'string') fail('target', 'target must be a path such as name.givenName.');
  if (typeof text !== 'string') return void fail('expression', 'expression must be a text.');
  try {
    const expression = compileExpression(text, scimSources(definition));
    if (!target || !chosen) return undefined;
    const written = { target: target.text, index, isRedacted: false };
    return {
      index,
      target,
      present: readTarget(target),
      when: chosen,
      expression,
      write: writerOf(target),
      fit: fitterOf(target),
      written,
      redacted: { ...written, isRedacted: true },
    };
  } catch (error) {
    if (!(error instanceof ExpressionFault)) throw error;
    const { detail, position, expected } = error;
    faults.push({ index, field: 'expression', detail, position, expected });
    return undefined;
  }
};

const readTargetPath = (
  definition: ResourceDefinition,
  path: string,
  fail: (field: 'target', detail: string) => void,
): Target | undefined => {
  let target: Target | undefined;
  try {
    target = parseTarget(definition, path.trim());
  } catch (error) {
    if (!(error instanceof Rejected)) throw error;
    return void fail('target', error.detail);
  }
  if (!target)
    return void fail('target', `There is no attribute ${JSON.stringify(path)}: /Schemas lists those that there are.`);
  const { attribute, extension } = target.path;
  const isDerived = !extension && attribute.name === 'schemas';
  if (isReadOnly(target) || attribute.mutability === 'writeOnly' || isDerived)
    return void fail('target', `${target.text} cannot be written by a mapping: only the service itself writes it.`);
  return target;
};

/** The outcome of a mapping for a resource that came in. */
export interface Mapped {
  readonly resource: Resource;
  /** The targets that were written, in the order of the lines. */
  readonly written: readonly Written[];
  /** An expression said that the whole object is to be left as it is: the resource is what came in. */
  readonly isIgnored: boolean;
}

export interface Written {
  readonly target: string;
  /** The line, counted from 0. */
  readonly index: number;
  /** The value belongs into no log. */
  readonly isRedacted: boolean;
}

const NOTHING: readonly Written[] = [];

/**
 * The resource with what the mapping writes into it. `current` is the resource that an update changes; null = it is
 * created. All expressions read what came in, never what another one wrote. Null writes nothing, and "" is written as
 * it is. Throws Rejected that names the line and the target of an expression without a result, or of a value that does
 * not fit.
 */
export const applyMapping = (
  { definition, lines }: Mapping,
  current: Resource | null,
  incoming: Resource,
  given: Given,
): Mapped => {
  if (lines.length === 0) return { resource: incoming, written: NOTHING, isIgnored: false };
  const writing = new Writing(definition, incoming);
  const run = new Run(incoming, given);
  const written: Written[] = [];
  const operation = current ? 'update' : 'create';
  const keep = ({ target, present }: Line): void => {
    const value = current && present(current);
    if (value !== null && !(isList(value) && target.path.subAttribute)) writing.set(target, value as Json);
  };
  for (const line of lines) {
    const { present, when } = line;
    if (when !== 'always' && when !== operation && (when !== 'absent' || !isEmpty(present(incoming)))) {
      if (when === 'create' && !lines.some((other) => other !== line && isSameTarget(other, line))) keep(line);
      continue;
    }
    try {
      const value = line.expression.runIn(run);
      if (value instanceof LeftOut) {
        if (value.what === 'object') return { resource: incoming, written: NOTHING, isIgnored: true };
        keep(line);
      } else if (value !== null) {
        line.write(writing, line.fit(value));
        written.push(run.isRedacted ? line.redacted : line.written);
      }
    } catch (error) {
      if (!(error instanceof Rejected)) throw error;
      throw new Rejected(error.code, `Line ${line.index + 1} of the mapping, to ${line.target.text}: ${error.detail}`);
    }
  }
  return { resource: writing.result(), written, isIgnored: false };
};

/** Makes of the value of an expression one as its attribute takes it. */
type Fit = (value: Value) => Json;

const fitterOf = ({ path: { attribute, subAttribute }, text }: Target): Fit => {
  const { type } = subAttribute ?? attribute;
  return (value) => {
    const made = isList(value) ? value.map((one) => fittedOne(type, one)) : fittedOne(type, value);
    checkText(made, text);
    return made;
  };
};

const storedText = (value: Value): string | null => {
  const text = textOf(value);
  return text === null ? null : wellFormed(text);
};

const fittedOne = (type: string, value: Value): Json => {
  if (typeof value === 'object' && value !== null && !(value instanceof Instant) && !isList(value)) return value;
  switch (type) {
    case 'boolean':
      return typeof value === 'boolean' ? value : storedText(value);
    case 'integer':
    case 'decimal':
      return Number(numberOf(value) ?? Number.NaN);
    case 'dateTime':
      return value instanceof Instant ? isoOf(value.ms) : storedText(value);
    default:
      return storedText(value);
  }
};
