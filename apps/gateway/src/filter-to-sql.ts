import { fold, Rejected, type Filter, type ResourceDefinition } from '#scim';

/** A condition on `identity.users_v1`. `name` is the same for the same text, for prepared statements. */
export interface CompiledFilter {
  readonly sql: string;
  readonly values: readonly (string | boolean)[];
  readonly name: string;
  /** Whether at most one user of a directory can match. */
  readonly unique: boolean;
}

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/**
 * Turns a filter into parameterised SQL whose parameters begin at `$first`. Supported are `eq` on userName, externalId, id,
 * active, the work e-mail and the manager, joined with `and`: what Microsoft Entra ID asks. Everything else is refused
 * truthfully (RFC 7644 §3.4.2.2: invalidFilter).
 */
export const compileFilter = (definition: ResourceDefinition, filter: Filter, first: number): CompiledFilter => {
  const values: (string | boolean)[] = [];
  const names: string[] = [];
  let unique = false;
  const parameter = (name: string, value: string | boolean): string => {
    names.push(name);
    values.push(value);
    return `$${first + values.length - 1}`;
  };
  const refuse = (): never => {
    throw new Rejected(
      'invalidFilter',
      `This filter is not supported: ${definition.name} can be filtered with eq and and, by userName, externalId, id, active, ` +
        'emails[type eq "work"].value and manager.',
    );
  };
  const workEmail = (value: string): string => {
    const at = parameter('workEmail', fold(value));
    return `(work_email_folded = ${at} OR other_work_emails_folded @> ARRAY[${at}])`;
  };
  const compile = (part: Filter): string => {
    switch (part.kind) {
      case 'and':
        return `(${compile(part.left)} AND ${compile(part.right)})`;
      case 'valuePath': {
        const email = workEmailOf(part);
        return email === null ? refuse() : workEmail(email);
      }
      case 'compare': {
        const { path, operator, value } = part;
        if (operator !== 'eq') return refuse();
        const name = [path.attribute.name, path.subAttribute?.name].filter(Boolean).join('.');
        if (name === 'active' && typeof value === 'boolean') {
          return `coalesce((resource->>'active')::boolean, true) = ${parameter('active', value)}`;
        }
        if (typeof value !== 'string') return refuse();
        switch (name) {
          case 'userName':
            unique = true;
            return `user_name_folded = ${parameter('userName', fold(value))}`;
          case 'externalId':
            return `external_id = ${parameter('externalId', value)}`;
          case 'id':
            unique = true;
            return UUID.test(value) ? `id = ${parameter('id', value)}` : 'false';
          case 'manager':
          case 'manager.value':
            return `resource #>> '{${path.schema},manager,value}' = ${parameter('manager', value)}`;
          default:
            return refuse();
        }
      }
      default:
        return refuse();
    }
  };
  const sql = compile(filter);
  return { sql, values, name: `by-${names.join('-')}-${shapeOf(filter)}`, unique: unique && filter.kind === 'compare' };
};

/** The e-mail in `emails[type eq "work"].value eq "…"`, whose parts may come in either order. */
const workEmailOf = (filter: Extract<Filter, { kind: 'valuePath' }>): string | null => {
  if (filter.path.attribute.name !== 'emails' || filter.filter.kind !== 'and') return null;
  const parts = [filter.filter.left, filter.filter.right];
  const value = (name: string): string | null => {
    for (const part of parts) {
      if (part.kind !== 'compare' || part.operator !== 'eq' || typeof part.value !== 'string') continue;
      if ((part.path.subAttribute ?? part.path.attribute).name === name) return part.value;
    }
    return null;
  };
  return fold(value('type') ?? '') === 'work' ? value('value') : null;
};

const shapeOf = (filter: Filter): string => (filter.kind === 'and' ? `(${shapeOf(filter.left)}${shapeOf(filter.right)})` : '.');
