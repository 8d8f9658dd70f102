import { isJsonObject, type Json, type JsonObject } from '#scim';
import {
  asInteger,
  asText,
  wordOf,
  type Args,
  type Evaluate,
  type FunctionDefinition,
  type Site,
} from './definition.js';
import { isList, listOf, textOf, type Value } from './value.js';

/**
 * The parts are trimmed: the only example that Microsoft prints has a blank behind the comma and none in the result.
 * Empty parts stay.
 */
const makeSplit = ([source, delimiter]: Args, site: Site): Evaluate => {
  const [text, mark] = [asText(source), asText(delimiter)];
  return (run) => {
    const [found, between] = [text(run), mark(run)];
    if (found === null) return null;
    if (!between) return site.fail('The delimiter is empty', 'a character such as ","', delimiter);
    run.chargeSearch(found.length, between.length);
    const parts = found.split(between);
    run.requireFew(parts.length);
    return parts.map((part) => part.trim());
  };
};

const makeItem = ([attribute, index]: Args, site: Site): Evaluate => {
  const { evaluate } = attribute!;
  const at = asInteger(index, 'index', site);
  return (run) => {
    const [values, wanted] = [listOf(evaluate(run)), at(run)];
    if (wanted < 1 || wanted > values.length)
      return site.fail(`The list has ${values.length} values`, `an index from 1 to its length, not ${wanted}`, index);
    return values[wanted - 1]!;
  };
};

/** The first of the same texts stays, in the order of the list; letters differ in case. */
const makeRemoveDuplicates = ([attribute]: Args): Evaluate => {
  const { evaluate } = attribute!;
  return (run) => {
    const value = evaluate(run);
    if (!isList(value)) return value;
    run.requireFew(value.length);
    const seen = new Set<string>();
    return value.filter((one) => {
      const key = textOf(one) ?? JSON.stringify(one);
      run.charge(1 + key.length / 8);
      return !seen.has(key) && seen.add(key);
    });
  };
};

const makeContains = ([attribute, search, caseType]: Args, site: Site): Evaluate => {
  const { evaluate } = attribute!;
  const sought = asText(search);
  const isExact = wordOf(caseType, ['CaseSensitive', 'CaseInsensitive'], site) === 'CaseSensitive';
  const folded = (text: string): string => (isExact ? text : text.toLowerCase());
  return (run) => {
    const values = listOf(evaluate(run));
    const part = folded(sought(run) ?? '');
    for (const [index, value] of values.entries()) {
      const text = folded(textOf(value) ?? '');
      run.chargeSearch(text.length, part.length);
      if (text.includes(part)) return index + 1;
    }
    return 0;
  };
};

const ROLE_TYPE = 'WindowsAzureActiveDirectoryRole';

const partOf = (role: JsonObject, ...names: string[]): string | null => {
  const name = names.find((one) => typeof role[one] === 'string' && role[one] !== '');
  return name === undefined ? null : (role[name] as string);
};

/** The roles of a user: assignments as Entra has them, roles as SCIM has them, or their names. */
const rolesOf = (value: Value): JsonObject[] =>
  listOf(value).flatMap((role) =>
    typeof role === 'string' ? [{ value: role }] : isJsonObject(role as Json) ? [role as JsonObject] : [],
  );
const roleName = (role: JsonObject): string | null => partOf(role, 'value', 'displayName', 'display');

/**
 * Each assignment as a role. One sample of the page calls the label displayName; here it is SCIM's display, as in the
 * other.
 */
const makeRoles = ([assignments]: Args): Evaluate => {
  const { evaluate } = assignments!;
  return (run) => {
    const roles = rolesOf(evaluate(run));
    run.requireFew(roles.length);
    return roles.map((role) => {
      const label = partOf(role, 'displayName', 'display', 'value');
      return {
        primary: false,
        type: ROLE_TYPE,
        ...(label === null ? {} : { display: label }),
        ...(roleName(role) === null ? {} : { value: roleName(role)! }),
      };
    });
  };
};

const makeSingleRole = ([assignments]: Args, site: Site): Evaluate => {
  const { evaluate } = assignments!;
  return (run) => {
    const roles = rolesOf(evaluate(run));
    if (roles.length > 1)
      return site.fail(`The user has ${roles.length} roles`, 'at most one: use AppRoleAssignmentsComplex for several');
    return roles.length === 0 ? null : roleName(roles[0]!);
  };
};

export const LIST_FUNCTIONS: readonly FunctionDefinition[] = [
  { name: 'Split', parameters: 'source, delimiter', make: makeSplit },
  { name: 'Item', parameters: 'attribute, index', make: makeItem },
  {
    // A single value is a list of one, and null of none: Microsoft's page says neither.
    name: 'Count',
    parameters: 'attribute',
    make:
      ([attribute]) =>
      (run) =>
        listOf(attribute!.evaluate(run)).length,
  },
  { name: 'RemoveDuplicates', parameters: 'attribute', make: makeRemoveDuplicates },
  { name: 'Contains', parameters: 'attribute, search, Casetype?', make: makeContains },
  { name: 'AppRoleAssignmentsComplex', parameters: 'appRoleAssignments', make: makeRoles },
  { name: 'AssertiveAppRoleAssignmentsComplex', parameters: 'appRoleAssignments', make: makeRoles },
  { name: 'SingleAppRoleAssignment', parameters: 'appRoleAssignments', make: makeSingleRole },
  {
    name: 'AppRoleAssignments',
    parameters: 'source',
    make:
      ([source]) =>
      (run) => {
        const roles = rolesOf(source!.evaluate(run));
        run.requireFew(roles.length);
        return roles.flatMap((role) => roleName(role) ?? []);
      },
  },
];
