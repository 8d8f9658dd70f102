import type { Shape } from './shapes.js';

/** A class whose properties class-validator checks. */
type Checked = new () => object;

/** The description of a route for programs that call it, beside what its path and method say. */
export interface Documentation {
  /** One line that says what it does. */
  readonly summary: string;
  /** More of it, as Markdown. */
  readonly description?: string;
  /** The parameters of its query. */
  readonly query?: Checked;
  /** Its body; beside it each change takes a `reason`. */
  readonly body?: Checked | Shape;
  /** Its answer when all is well; null = none. */
  readonly answer: Shape | null;
  /** That of the answer; left out = `application/json`. */
  readonly mediaType?: string;
  /** Texts that it can be in its place, by their media types. */
  readonly otherMediaTypes?: readonly string[];
}

const documentations = new WeakMap<object, Documentation>();

/** Documents a route: `docs/openapi.json` is made of it. It costs nothing when Muster runs. */
export const Documented =
  (documentation: Documentation): MethodDecorator =>
  (_controller, _name, { value }) =>
    void documentations.set(value as object, documentation);

/** The documentation of the method of a controller. */
export const documentationOf = (method: object): Documentation | undefined => documentations.get(method);
