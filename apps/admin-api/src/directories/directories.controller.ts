import { Body, Controller, Get, Param, Patch, Post, UseFilters, UseGuards } from '@nestjs/common';
import { IsIn, IsNotEmpty, IsOptional, IsString, IsUUID, MaxLength } from 'class-validator';
import { DIRECTORY_KINDS, type DirectoryKind } from '#contracts';
import { ApiKeyGuard } from '../http/api-key.guard.js';
import { checked } from '../http/body.guard.js';
import { RejectedFilter } from '../http/rejected.filter.js';
import type { RevealedDirectory } from '../tokens/tokens.sender.js';
import { Directories, type DirectoryView } from './directories.queries.js';
import { ChangedDirectories } from './directories.sender.js';
import { settingsIn } from './settings.js';

class NewDirectory {
  @IsString() @IsNotEmpty() @MaxLength(200) name!: string;
  /** The id of a tenant; without it the first one. */
  @IsOptional() @IsUUID() tenant?: string;
  @IsIn(DIRECTORY_KINDS) kind: DirectoryKind = 'entra';
}

@Controller('api/admin/directories')
@UseGuards(ApiKeyGuard)
@UseFilters(RejectedFilter)
export class DirectoriesController {
  constructor(
    private readonly directories: Directories,
    private readonly changed: ChangedDirectories,
  ) {}

  @Get()
  list(): Promise<DirectoryView[]> {
    return this.directories.list();
  }

  @Get(':id')
  show(@Param('id') id: string): Promise<DirectoryView> {
    return this.directories.show(id === 'first' ? undefined : id);
  }

  @Post()
  create(@Body() body: unknown): Promise<RevealedDirectory> {
    const { name, kind, tenant } = checked(NewDirectory, body);
    return this.changed.create(name, kind, tenant);
  }

  @Patch(':id')
  change(@Param('id') id: string, @Body() body: unknown): Promise<DirectoryView> {
    return this.changed.change(id, settingsIn(body));
  }
}
