import { requestText, type Answer } from './http-connection.js';

export const USERS_PATH = '/api/scim/v2/Users';
export const OPERATIONS = ['filter', 'create', 'patch', 'get'] as const;
export type Operation = (typeof OPERATIONS)[number];

/** The empty server answers this, whatever it is asked. */
export const CONSTANT_ID = '01970000-0000-7000-8000-000000000000';
export const CONSTANT_DISPLAY_NAME = 'Constant';

/** A server to talk to. `basePath` ends before `/Users`. */
export interface Target {
  readonly host: string;
  readonly port: number;
  readonly usersPath: string;
  readonly token: string;
}

const ENTERPRISE = 'urn:ietf:params:scim:schemas:extension:enterprise:2.0:User';
const DEPARTMENTS = ['Research', 'Sales', 'Finance', 'Legal', 'Operations'];
const TITLES = ['Engineer', 'Analyst', 'Director', 'Counsel'];

export const userNameOf = (prefix: string, index: number): string => `${prefix}-${index}@bench.example`;

/**
 * Entra sends this to create a user: nulls, empty roles and meta included (docs/…
 * use-scim-to-provision-users-and-groups).
 */
const createBody = (userName: string, displayName: string, index: number): string =>
  JSON.stringify({
    schemas: ['urn:ietf:params:scim:schemas:core:2.0:User', ENTERPRISE],
    externalId: userName.slice(0, userName.indexOf('@')),
    userName,
    active: true,
    displayName,
    emails: [{ primary: true, type: 'work', value: userName }],
    meta: { resourceType: 'User' },
    name: { formatted: displayName, familyName: `Family ${index}`, givenName: `Given ${index}` },
    roles: [],
    title: TITLES[index % TITLES.length],
    preferredLanguage: null,
    [ENTERPRISE]: { department: DEPARTMENTS[index % DEPARTMENTS.length], employeeNumber: `${index}` },
  });

/**
 * The Entra dialects in turn: with a path and capital op, several operations, pathless with dotted keys, a filtered
 * path.
 */
const patchBody = (displayName: string, userName: string, index: number): string => {
  const department = DEPARTMENTS[(index + 1) % DEPARTMENTS.length];
  const variants = [
    [{ op: 'Replace', path: 'displayName', value: displayName }],
    [
      { op: 'Replace', path: 'displayName', value: displayName },
      { op: 'Replace', path: 'title', value: TITLES[(index + 1) % TITLES.length] },
      { op: 'Add', path: `${ENTERPRISE}:department`, value: department },
    ],
    [
      {
        op: 'replace',
        value: { displayName, 'name.familyName': `Renamed ${index}`, [`${ENTERPRISE}:department`]: department },
      },
    ],
    [
      { op: 'Replace', path: 'displayName', value: displayName },
      { op: 'Replace', path: 'emails[type eq "work"].value', value: `renamed.${userName}` },
    ],
  ];
  return JSON.stringify({
    schemas: ['urn:ietf:params:scim:api:messages:2.0:PatchOp'],
    Operations: variants[index % variants.length],
  });
};

const ID = /"id":"([0-9a-f-]{36})"/;

const require = (holds: boolean, what: string, answer: Answer): void => {
  if (!holds) throw new Error(`wrong answer: ${what}; got ${answer.status} ${answer.body.slice(0, 500)}`);
};

/**
 * The requests of the cycle for one server, and what must be true of each answer. Checking is by substring because a
 * JSON.parse of every answer would cost the generator as much as the rest of it. Throws on a wrong answer: a wrong
 * answer has no latency.
 */
export class Cycle {
  private readonly connection: { readonly authority: string; readonly token: string };

  /** `constant`: the server is the empty one; the expectation is its constants, checked at the same cost. */
  constructor(
    private readonly target: Target,
    private readonly constant: boolean,
  ) {
    this.connection = { authority: `${target.host}:${target.port}`, token: target.token };
  }

  filterRequest(userName: string): string {
    const filter = encodeURIComponent(`userName eq "${userName}"`);
    return requestText('GET', `${this.target.usersPath}?filter=${filter}`, this.connection);
  }

  /** Nobody has the name yet: 200 and an empty list, never 404. */
  checkNobody(answer: Answer): void {
    require(answer.status === 200 && answer.body.includes('"totalResults":0'), 'the filter finds nobody', answer);
  }

  checkFound(answer: Answer, userName: string): void {
    const found = answer.status === 200 && answer.body.includes(`"userName":"${userName}"`);
    require(found || this.constant, 'the filter finds the user', answer);
  }

  createRequest(userName: string, displayName: string, index: number): string {
    return requestText('POST', this.target.usersPath, this.connection, createBody(userName, displayName, index));
  }

  /** Returns the id of the new user. */
  checkCreated(answer: Answer, displayName: string): string {
    const id = ID.exec(answer.body)?.[1];
    require(answer.status === 201 && this.shows(answer, displayName), 'created with its display name', answer);
    if (id === undefined) throw new Error(`an answer without id: ${answer.body}`);
    return id;
  }

  patchRequest(id: string, userName: string, displayName: string, index: number): string {
    const body = patchBody(displayName, userName, index);
    return requestText('PATCH', `${this.target.usersPath}/${id}`, this.connection, body);
  }

  getRequest(id: string): string {
    return requestText('GET', `${this.target.usersPath}/${id}`, this.connection);
  }

  /** The answer to a PATCH and to the GET after it: this user, with the display name just set. */
  checkUser(answer: Answer, id: string, displayName: string): void {
    const isUser = answer.status === 200 && answer.body.includes(`"id":"${id}"`) && this.shows(answer, displayName);
    require(isUser, `the user ${id} with the display name ${displayName}`, answer);
  }

  private shows(answer: Answer, displayName: string): boolean {
    return answer.body.includes(`"displayName":"${this.constant ? CONSTANT_DISPLAY_NAME : displayName}"`);
  }
}
