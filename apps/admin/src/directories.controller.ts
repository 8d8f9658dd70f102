import { Body, Controller, Delete, Get, HttpCode, Param, Patch, Post, UseFilters, UseGuards } from '@nestjs/common';
import { plainToInstance } from 'class-transformer';
import {
  IsBoolean,
  IsIn,
  IsNotEmpty,
  IsOptional,
  IsString,
  IsUUID,
  MaxLength,
  ValidateIf,
  validateSync,
  type ValidationError,
} from 'class-validator';
import { DIRECTORY_KINDS, type DirectoryKind } from '#contracts';
import { checkText, Rejected } from '#scim';
import { ApiKeyGuard } from './api-key.guard.js';
import { Directories, type DirectoryView, type TenantView } from './directories.queries.js';
import { expiryOf } from './expiry.js';
import { RejectedFilter } from './rejected.filter.js';

class NewTenant {
  @IsString() @IsNotEmpty() @MaxLength(200) name!: string;
}

class NewDirectory extends NewTenant {
  /** The id of a tenant; without it the first one. */
  @IsOptional() @IsUUID() tenant?: string;
  @IsIn(DIRECTORY_KINDS) kind: DirectoryKind = 'entra';
}

/** Null is no value here: it would not be one in the database either. */
const isGiven = (_object: object, value: unknown): boolean => value !== undefined;

class ChangedDirectory {
  @ValidateIf(isGiven) @IsBoolean() offerExistingUsers?: boolean;
  @ValidateIf(isGiven) @IsBoolean() emailIsLoginName?: boolean;
  @ValidateIf(isGiven) @IsBoolean() offerLocalGroups?: boolean;
}

class NewToken {
  @IsString() @MaxLength(200) description = '';
  /** A moment; null or nothing = never. */
  @IsOptional() @IsString() expiresAt?: string;
}

const reasonsOf = ({ property, constraints, children }: ValidationError): string[] => [
  ...Object.values(constraints ?? {}),
  ...(children ?? []).flatMap((child) => reasonsOf(child).map((reason) => `${property}.${reason}`)),
];

/** class-transformer takes what is called so for the class of the object that it is in, and fails. */
const namesConstructor = (value: unknown): boolean =>
  typeof value === 'object' &&
  value !== null &&
  (Object.hasOwn(value, 'constructor') || Object.values(value).some(namesConstructor));

/** Throws Rejected(invalidValue) that names what is wrong. */
export const checked = <T extends object>(type: new () => T, body: unknown): T => {
  // Postgres refuses what a JSON text may hold: NUL characters and lone surrogates.
  checkText(body);
  if (namesConstructor(body))
    throw new Rejected('invalidValue', 'No property can be called constructor: leave it out.');
  const value = plainToInstance(type, body ?? {}, { exposeDefaultValues: true });
  const errors = validateSync(value, { whitelist: true });
  if (errors.length > 0) throw new Rejected('invalidValue', errors.flatMap(reasonsOf).join('; '));
  return value;
};

@Controller('api/admin')
@UseGuards(ApiKeyGuard)
@UseFilters(RejectedFilter)
export class DirectoriesController {
  constructor(private readonly directories: Directories) {}

  @Get('tenants')
  tenants(): Promise<TenantView[]> {
    return this.directories.tenants();
  }

  @Post('tenants')
  createTenant(@Body() body: unknown): Promise<TenantView> {
    return this.directories.createTenant(checked(NewTenant, body).name);
  }

  @Get('directories')
  list(): Promise<DirectoryView[]> {
    return this.directories.list();
  }

  @Get('directories/:id')
  show(@Param('id') id: string): Promise<DirectoryView> {
    return this.directories.show(id === 'first' ? undefined : id);
  }

  @Post('directories')
  create(@Body() body: unknown): Promise<DirectoryView> {
    const { name, kind, tenant } = checked(NewDirectory, body);
    return this.directories.create(name, kind, tenant);
  }

  @Patch('directories/:id')
  change(@Param('id') id: string, @Body() body: unknown): Promise<DirectoryView> {
    return this.directories.change(id, checked(ChangedDirectory, body));
  }

  @Post('directories/:id/tokens')
  createToken(@Param('id') id: string, @Body() body: unknown): Promise<{ id: string; token: string }> {
    const { description, expiresAt } = checked(NewToken, body);
    return this.directories.createToken(
      id,
      description,
      expiresAt === undefined || expiresAt === null ? null : expiryOf(expiresAt, Date.now()),
    );
  }

  @Delete('tokens/:id')
  @HttpCode(204)
  revoke(@Param('id') id: string): Promise<void> {
    return this.directories.revokeToken(id);
  }
}
