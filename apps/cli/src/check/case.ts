/**
 * A case of the conformance check: what a client sends, and the answer that it has to get. The cases are files of JSON,
 * in `cases/`: `gallery` has what Microsoft asks of an application before it is listed, `validator` what its older
 * validator asks, `entra` and `okta` what these two send, `interop` what profiles of SCIM ask for, and `rfc` what RFC
 * 7644 says and what no client should send.
 */
export interface Case {
  readonly says: string;
  /** The publication from which it is known. */
  readonly source: string;
  /** Settings of the directory that it needs; left out = whatever they are. */
  readonly settings?: Readonly<Record<string, unknown>>;
  readonly steps: readonly Step[];
}

export interface Step {
  /** Method and path, the query as it reads before it is encoded. */
  readonly send: string;
  /** Besides those that every request has; null takes one away. */
  readonly headers?: Readonly<Record<string, string | null>>;
  readonly body?: unknown;
  /** Instead of a body: text that need not be JSON. */
  readonly raw?: string;
  readonly answer: {
    /** Several where the standard leaves it open. */
    readonly status: number | readonly number[];
    readonly headers?: Readonly<Record<string, string>>;
    /** Parts of the body. A text between slashes is a pattern. */
    readonly body?: object;
    /** Attributes of the body with all that they have; null: it has none of that name. */
    readonly exactly?: Readonly<Record<string, unknown>>;
  };
}

export interface Got {
  readonly status: number;
  readonly header: (name: string) => string | null;
  /** Read as JSON; undefined = there is none. */
  readonly body: unknown;
}

/** A step names what the answers before it have not given. */
export class Unfilled extends Error {}

/**
 * Fills a text: {{unique}} is new for each run of a case, {{id}} the last user or group that was made, {{id1}} the
 * first, {{base}} the SCIM base URL that clients are shown, {{basePattern}} the same in a pattern, {{step}} counts, and
 * {{x*400}} is an x 400 times.
 */
export const filled = (text: string, names: ReadonlyMap<string, string>): string =>
  text.replace(
    /\{\{(?:(\w+)|(.)\*(\d+))\}\}/gs,
    (place, name: string | undefined, character: string, times: string) => {
      if (name === undefined) return character.repeat(Number(times));
      const value = names.get(name);
      if (value === undefined) throw new Unfilled(`${place} stands for nothing: no step before has made it`);
      return value;
    },
  );

/** The same in whatever holds texts. `{"$times": 3, "$of": "v{{n}}"}` is a list of three. */
export const fill = (value: unknown, names: ReadonlyMap<string, string>): unknown => {
  if (typeof value === 'string') return filled(value, names);
  if (Array.isArray(value)) return value.map((element: unknown) => fill(element, names));
  if (typeof value !== 'object' || value === null) return value;
  if ('$times' in value && '$of' in value) {
    return Array.from({ length: value.$times as number }, (_, index) =>
      fill(value.$of, new Map([...names, ['n', String(index)]])),
    );
  }
  return Object.fromEntries(
    Object.entries(value).map(([name, element]) => [filled(name, names), fill(element, names)]),
  );
};

/** Says in words what is wrong with an answer; [] = nothing. */
export const faultsOf = ({ headers, answer }: Step, got: Got, names: ReadonlyMap<string, string>): string[] => {
  const faults: string[] = [];
  const allowed = [answer.status].flat();
  if (!allowed.includes(got.status)) faults.push(`the status is ${got.status} instead of ${allowed.join(' or ')}`);
  // RFC 7644 §8.1: without parameters, whatever is answered.
  const mediaType = got.header('content-type');
  if (got.body !== undefined && !headers?.accept && mediaType !== 'application/scim+json')
    faults.push(`the content type is ${String(mediaType)} instead of application/scim+json`);
  for (const [name, expected] of Object.entries(answer.headers ?? {}))
    faults.push(...differences(fill(expected, names), got.header(name), `the header ${name}`, false));
  if (answer.body) faults.push(...differences(fill(answer.body, names), got.body, 'the body', false));
  for (const [name, expected] of Object.entries(answer.exactly ?? {})) {
    const value = isRecord(got.body) ? got.body[name] : undefined;
    if (expected !== null) faults.push(...differences(fill(expected, names), value, name, true));
    else if (isRecord(got.body) && Object.hasOwn(got.body, name)) faults.push(`there is ${name}: ${told(value)}`);
  }
  return faults;
};

/** `isExact` = an object has nothing besides what is expected; a list has in any case as many as are expected. */
const differences = (expected: unknown, actual: unknown, where: string, isExact: boolean): string[] => {
  if (typeof expected === 'string' && /^\/.*\/$/s.test(expected)) {
    const isLike = typeof actual === 'string' && new RegExp(expected.slice(1, -1), 's').test(actual);
    return isLike ? [] : [`${where} is ${told(actual)}, which is not like ${expected}`];
  }
  if (Array.isArray(expected)) {
    if (!Array.isArray(actual) || actual.length !== expected.length)
      return [`${where} is ${told(actual)} instead of ${told(expected)}`];
    return expected.flatMap((element, index) => differences(element, actual[index], `${where}[${index}]`, isExact));
  }
  if (isRecord(expected)) {
    if (!isRecord(actual)) return [`${where} is ${told(actual)} instead of ${told(expected)}`];
    const more = isExact ? Object.keys(actual).filter((name) => !Object.hasOwn(expected, name)) : [];
    return [
      ...more.map((name) => `${where} has ${name}: ${told(actual[name])}`),
      ...Object.entries(expected).flatMap(([name, value]) =>
        differences(value, actual[name], `${name} of ${where}`, isExact),
      ),
    ];
  }
  return Object.is(expected, actual) ? [] : [`${where} is ${told(actual)} instead of ${told(expected)}`];
};

const MAX_TOLD_CHARACTERS = 300;
const told = (value: unknown): string => {
  const text = value === undefined ? 'absent' : JSON.stringify(value);
  return text.length > MAX_TOLD_CHARACTERS ? `${text.slice(0, MAX_TOLD_CHARACTERS)}…` : text;
};

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
