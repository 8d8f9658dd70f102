import { createRequire } from 'node:module';
import { RequestMethod, type Type } from '@nestjs/common';
import { HTTP_CODE_METADATA, METHOD_METADATA, PATH_METADATA } from '@nestjs/common/constants.js';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import {
  ApiBearerAuth,
  ApiBody,
  ApiHeader,
  ApiOperation,
  ApiParam,
  ApiQuery,
  ApiResponse,
  ApiTags,
  DocumentBuilder,
  SwaggerModule,
} from '@nestjs/swagger';
import { targetConstructorToSchema, validationMetadatasToSchemas } from 'class-validator-jsonschema';
import { MAX_REASON_CHARACTERS } from '#contracts';
import { Config } from '#runtime';
import { errorStatus, type RejectionCode } from '#scim';
import type { FaceTools } from '#owner';
import { AdminApiModule, AUDIT_CONTROLLERS, CONTROLLERS } from '../../apps/admin-api/src/admin-api.module.js';
import { scopesOf } from '../../apps/admin-api/src/http/acting-key.js';
import { needOf } from '../../apps/admin-api/src/http/api-key.guard.js';
import { documentationOf, type Documentation } from '../../apps/admin-api/src/http/documented.js';
import { ADMIN_PAGE, AUDIT_PAGE } from '../../apps/admin-api/src/http/api-page.controller.js';

/**
 * The OpenAPI document of the admin API, made by @nestjs/swagger of its controllers: what the routes say of themselves,
 * and what class-validator checks. Muster loads none of this when it runs.
 */

// oxlint-disable-next-line typescript/no-explicit-any -- JSON Schema of three libraries, each with types of its own
type Schema = any;

const REFERENCES = '#/components/schemas/';
/** The classes of nested objects; class-transformer shows them to nobody else. */
const { defaultMetadataStorage } = createRequire(import.meta.url)('class-transformer/cjs/storage.js') as Pick<
  {
    defaultMetadataStorage: NonNullable<
      Parameters<typeof targetConstructorToSchema>[1]
    >['classTransformerMetadataStorage'];
  },
  'defaultMetadataStorage'
>;
const OPTIONS = { refPointerPrefix: REFERENCES, classTransformerMetadataStorage: defaultMetadataStorage! };

const PROBLEM: Schema = {
  type: 'object',
  title: 'Problem',
  properties: {
    type: { type: 'string' },
    title: { type: 'string' },
    status: { type: 'integer' },
    detail: { type: 'string', description: 'For people: what is wrong, and what to do.' },
    instance: { type: 'string' },
    code: { type: 'string', description: 'For programs: what is wrong.' },
  },
  required: ['type', 'title', 'status', 'detail', 'instance', 'code'],
};

const REASON: Schema = {
  type: 'string',
  maxLength: MAX_REASON_CHARACTERS,
  description: 'Why, in one line: it is kept in the events that the change makes.',
};

/** Texts that are moments, or null: they are read by expiryOf, which tells more of what is wrong than a validator. */
const MOMENTS = ['expiresAt'];

/** The schema of a class. A property with a value of its own need not be sent. */
const schemaOf = (checked: Type<object>): Schema => {
  const schema: Schema = targetConstructorToSchema(checked, OPTIONS);
  const defaults = new checked() as Readonly<Record<string, unknown>>;
  for (const [name, value] of Object.entries(defaults)) {
    if (value === undefined || !schema.properties?.[name]) continue;
    schema.properties[name].default = value;
    schema.required = schema.required?.filter((one: string) => one !== name);
  }
  for (const name of MOMENTS) {
    const found = schema.properties?.[name];
    if (found) schema.properties[name] = { ...found, type: ['string', 'null'], format: 'date-time' };
  }
  if (schema.required?.length === 0) delete schema.required;
  return schema;
};

const bodyOf = (body: Documentation['body']): Schema => {
  const schema = body === undefined ? { type: 'object' } : typeof body === 'function' ? schemaOf(body) : { ...body };
  return { ...schema, properties: { ...schema.properties, reason: REASON } };
};

/** A preview makes no instance of anything, so that nothing is asked of these. */
const NO_TOOLS = new Proxy({ config: new Config() } as unknown as FaceTools, {
  get: (tools, name) => Reflect.get(tools, name) ?? ((): null => null),
});

/** The errors that any route may answer with, and those of changes beside them. */
const ERRORS: readonly RejectionCode[] = [
  'invalidValue',
  'unauthorized',
  'forbidden',
  'notFound',
  'tooManyRequests',
  'headersTooLarge',
  'unavailable',
];
const ERRORS_OF_CHANGES: readonly RejectionCode[] = ['conflict', 'tooLarge', 'unsupportedMediaType'];

/** A person may be meant by what is said of several. */
const ERRORS_OF_AUDITS: readonly RejectionCode[] = ['conflict'];

const ERRORS_OF_REPEATS: readonly RejectionCode[] = ['keyReused'];

const IDEMPOTENCY_KEY = {
  name: 'Idempotency-Key',
  required: false,
  description:
    'Sent again with the same key and content within a day, the request is not carried out again, and shows what was made as it is now.',
  schema: { type: 'string', minLength: 1, maxLength: 255 },
} as const;

const problemAnswer = (status: number): MethodDecorator =>
  ApiResponse({
    status,
    description: 'A problem (RFC 9457).',
    content: { 'application/problem+json': { schema: PROBLEM } },
  });

const document = (controller: Type<object>, name: string): void => {
  const prototype = controller.prototype as Readonly<Record<string, object>>;
  const descriptor = Object.getOwnPropertyDescriptor(prototype, name)!;
  const route = descriptor.value as object;
  const says = documentationOf(route);
  if (!says)
    throw new Error(
      `${controller.name}.${name} has no @Documented({ summary, query, body, answer }): add it (apps/admin-api/src/http/documented.ts).`,
    );
  const method = Reflect.getMetadata(METHOD_METADATA, route) as RequestMethod;
  const path = `${Reflect.getMetadata(PATH_METADATA, controller)}/${Reflect.getMetadata(PATH_METADATA, route)}`;
  const isChange = method !== RequestMethod.GET;
  const hasBody = isChange && method !== RequestMethod.DELETE;
  const status =
    (Reflect.getMetadata(HTTP_CODE_METADATA, route) as number | undefined) ??
    (method === RequestMethod.POST ? 201 : 200);
  const { summary, description, query, body, answer, mediaType = 'application/json', otherMediaTypes = [] } = says;
  const need = needOf(route as () => unknown);
  // To reveal a token is recorded each time, and a dry run changes nothing.
  const isRepeatable = method === RequestMethod.POST && need?.scope === 'manage';
  const scope =
    need &&
    `The key needs the scope ${scopesOf(need)
      .map((one) => `\`${one}\``)
      .join(' and ')}${need.of === 'tenant' ? '' : ', for the whole installation'}.`;
  const parameters: Schema = query ? schemaOf(query as Type<object>) : {};
  const errors = [
    ...ERRORS,
    ...(need?.scope === 'audit' ? ERRORS_OF_AUDITS : []),
    ...(isChange ? ERRORS_OF_CHANGES : []),
    ...(isRepeatable ? ERRORS_OF_REPEATS : []),
  ].map(errorStatus);
  const decorators = [
    ApiOperation({ summary, description: [description, scope].filter(Boolean).join('\n\n') }),
    // @nestjs/swagger calls the end of a path that may have slashes {path}.
    ...[...path.replace('*', ':path').matchAll(/:(\w+)/g)].map(([, parameter]) =>
      ApiParam({ name: parameter!, schema: { type: 'string' } }),
    ),
    ...Object.entries(parameters.properties ?? {}).map(([parameter, schema]) =>
      ApiQuery({
        name: parameter,
        required: parameters.required?.includes(parameter) ?? false,
        schema: schema as Schema,
      }),
    ),
    ...(isRepeatable ? [ApiHeader(IDEMPOTENCY_KEY)] : []),
    ...(method === RequestMethod.DELETE ? [ApiQuery({ name: 'reason', required: false, schema: REASON })] : []),
    ...(hasBody ? [ApiBody({ schema: bodyOf(body), required: body !== undefined })] : []),
    ApiResponse({
      status,
      description: 'Done.',
      ...(answer && {
        content: {
          [mediaType]: { schema: answer as Schema },
          ...Object.fromEntries(otherMediaTypes.map((type) => [type, { schema: { type: 'string' } }])),
        },
      }),
    }),
    ...[...new Set(errors)].map(problemAnswer),
  ];
  for (const decorate of decorators) decorate(prototype, name, descriptor);
};

/** Puts each object with a title below the components, once; two that differ need titles that differ. */
const shared = (value: Schema, schemas: Record<string, Schema>): Schema => {
  if (Array.isArray(value)) return value.map((one) => shared(one, schemas));
  if (typeof value !== 'object' || value === null) return value;
  const made = Object.fromEntries(Object.entries(value).map(([name, one]) => [name, shared(one, schemas)]));
  if (typeof made.title !== 'string' || made.type !== 'object' || !made.properties) return made;
  const { title, ...schema } = made as Schema;
  const known = schemas[title];
  if (known && JSON.stringify(known) !== JSON.stringify(schema)) throw new Error(`Two shapes are called ${title}.`);
  schemas[title] = schema;
  return { $ref: `${REFERENCES}${title}` };
};

/** The schemas that are referred to, and those to which they refer. */
const referredTo = (document: Schema, schemas: Readonly<Record<string, Schema>>): Record<string, Schema> => {
  const found: Record<string, Schema> = {};
  const look = (text: string): void => {
    for (const [, name] of text.matchAll(/"#\/components\/schemas\/([^"]+)"/g)) {
      if (found[name!]) continue;
      found[name!] = schemas[name!];
      look(JSON.stringify(schemas[name!]));
    }
  };
  look(JSON.stringify(document));
  return Object.fromEntries(Object.entries(found).toSorted(([a], [b]) => (a < b ? -1 : 1)));
};

export const DOCUMENTS = [
  { ...ADMIN_PAGE, controllers: CONTROLLERS },
  { ...AUDIT_PAGE, controllers: AUDIT_CONTROLLERS },
];

export const openApiDocument = async ({
  title,
  basePath,
  controllers,
}: (typeof DOCUMENTS)[number]): Promise<Schema> => {
  for (const controller of controllers) {
    const noun = (Reflect.getMetadata(PATH_METADATA, controller) as string).slice(basePath.length + 1);
    ApiTags(noun || 'more')(controller);
    ApiBearerAuth('key')(controller);
    for (const name of Object.getOwnPropertyNames(controller.prototype))
      if (Reflect.hasMetadata(METHOD_METADATA, (controller.prototype as unknown as Record<string, object>)[name]!))
        document(controller, name);
  }
  const app = await NestFactory.create<NestFastifyApplication>(
    AdminApiModule.register(NO_TOOLS),
    new FastifyAdapter(),
    { preview: true, logger: false, abortOnError: false },
  );
  const config = new DocumentBuilder()
    .setTitle(title)
    .setVersion('v1')
    .setOpenAPIVersion('3.1.0')
    .setDescription(
      'Each answer has the header X-Request-Id: the one of the request, or the trace id of its traceparent, or a new one. It is in the events that the request makes, in the record of the request, and in the log.',
    )
    .addBearerAuth({ type: 'http', scheme: 'bearer', bearerFormat: 'opaque', description: 'An API key.' }, 'key')
    .build();
  const made: Schema = SwaggerModule.createDocument(app, config);
  const schemas: Record<string, Schema> = { ...validationMetadatasToSchemas(OPTIONS) };
  const ours = Object.entries(made.paths as object).filter(([path]) => path.startsWith(`${basePath}/`));
  const paths = shared(Object.fromEntries(ours), schemas);
  return {
    ...made,
    paths,
    components: { securitySchemes: made.components.securitySchemes, schemas: referredTo(paths, schemas) },
  };
};
