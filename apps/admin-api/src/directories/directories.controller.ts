import { Body, Delete, Get, Header, HttpCode, Param, Patch, Post, Query } from '@nestjs/common';
import { IsIn, IsNotEmpty, IsOptional, IsString, IsUUID, MaxLength } from 'class-validator';
import { DIRECTORY_KINDS, type DirectoryKind } from '#contracts';
import { AdminController } from '../http/admin.controller.js';
import { Needs } from '../http/api-key.guard.js';
import { Asks, type Asked } from '../http/asked.guard.js';
import { checked } from '../http/body.guard.js';
import { Documented } from '../http/documented.js';
import { guideDocument } from '../guides/guide.js';
import { byId, LEAST_ID, PageQuery, Pages, type Listed } from '../http/pages.queries.js';
import type { RevealedDirectory } from '../tokens/tokens.sender.js';
import { pageOf, TEXT } from '../http/shapes.js';
import { Directories, type DirectoryView } from './directories.queries.js';
import { ChangedDirectories } from './directories.sender.js';
import { DIRECTORY, REVEALED, SETTING_CHANGES } from './directory-shapes.controller.js';
import { settingsIn } from './settings.js';

class DirectoriesPage extends PageQuery {
  /** The id of a tenant; without it those of all tenants are listed. */
  @IsOptional() @IsUUID() tenant?: string;
}

class NewDirectory {
  @IsString() @IsNotEmpty() @MaxLength(200) name!: string;
  /** The id of a tenant; without it the first one. */
  @IsOptional() @IsUUID() tenant?: string;
  @IsIn(DIRECTORY_KINDS) kind: DirectoryKind = 'entra';
}

class NewName {
  @IsString() @IsNotEmpty() @MaxLength(200) name!: string;
}

class NewKind {
  @IsIn(DIRECTORY_KINDS) kind!: DirectoryKind;
}

@AdminController('directories')
export class DirectoriesController {
  constructor(
    private readonly directories: Directories,
    private readonly changed: ChangedDirectories,
    private readonly pages: Pages,
  ) {}

  @Get()
  @Needs('read')
  @Documented({ summary: 'List directories', query: DirectoriesPage, answer: pageOf(DIRECTORY) })
  list(@Query() query: unknown): Promise<Listed<DirectoryView>> {
    const page = checked(DirectoriesPage, query);
    const read = (after: string | null, limit: number): Promise<DirectoryView[]> =>
      this.directories.page(page.tenant, after ?? LEAST_ID, limit);
    return this.pages.list(['directories', page.tenant ?? null], page, read, byId);
  }

  @Get(':id')
  @Needs('read')
  @Documented({
    summary: 'Show a directory, without its tokens',
    description: '`id` may be `first`.',
    answer: DIRECTORY,
  })
  show(@Param('id') id: string): Promise<DirectoryView> {
    return this.directories.show(id === 'first' ? undefined : id);
  }

  /** How it is connected, as Markdown in the words of its identity provider; no token is in it. */
  @Get(':id/guide')
  @Needs('read')
  @Documented({
    summary: 'Tell how a directory is connected, as Markdown in the words of its identity provider',
    description: '`id` may be `first`. No token is in it.',
    answer: TEXT,
    mediaType: 'text/markdown',
  })
  @Header('content-type', 'text/markdown; charset=utf-8')
  async guide(@Param('id') id: string): Promise<string> {
    return guideDocument(await this.directories.show(id === 'first' ? undefined : id));
  }

  @Post()
  @Needs('manage')
  @Documented({ summary: 'Make a directory and its first token, which is shown', body: NewDirectory, answer: REVEALED })
  create(@Body() body: unknown, @Asks() asked: Asked): Promise<RevealedDirectory> {
    const { name, kind, tenant } = checked(NewDirectory, body);
    return this.changed.create(asked, name, kind, tenant);
  }

  @Patch(':id')
  @Needs('manage')
  @Documented({
    summary: 'Change the settings of a directory',
    description: 'What is not named stays; null = back to the default.',
    body: SETTING_CHANGES,
    answer: DIRECTORY,
  })
  change(@Param('id') id: string, @Body() body: unknown, @Asks() asked: Asked): Promise<DirectoryView> {
    return this.changed.change(asked, id, settingsIn(body));
  }

  @Post(':id/rename')
  @Needs('manage')
  @Documented({ summary: 'Give a directory another name', body: NewName, answer: DIRECTORY })
  @HttpCode(200)
  rename(@Param('id') id: string, @Body() body: unknown, @Asks() asked: Asked): Promise<DirectoryView> {
    return this.changed.rename(asked, id, checked(NewName, body).name);
  }

  /** Its identity provider is answered 403 until it is enabled again. */
  @Post(':id/disable')
  @Needs('manage')
  @Documented({ summary: 'Disable a directory: its identity provider is answered 403', answer: DIRECTORY })
  @HttpCode(200)
  disable(@Param('id') id: string, @Asks() asked: Asked): Promise<DirectoryView> {
    return this.changed.setStatus(asked, id, 'DisableDirectory');
  }

  @Post(':id/enable')
  @Needs('manage')
  @Documented({ summary: 'Enable a directory again', answer: DIRECTORY })
  @HttpCode(200)
  enable(@Param('id') id: string, @Asks() asked: Asked): Promise<DirectoryView> {
    return this.changed.setStatus(asked, id, 'EnableDirectory');
  }

  /** Revokes its tokens and OAuth clients. Users and groups stay, with their ids. */
  @Post(':id/disconnect')
  @Needs('manage')
  @Documented({
    summary: 'Disconnect a directory: its tokens and OAuth clients are revoked, users and groups stay with their ids',
    answer: DIRECTORY,
  })
  @HttpCode(200)
  disconnect(@Param('id') id: string, @Asks() asked: Asked): Promise<DirectoryView> {
    return this.changed.setStatus(asked, id, 'DisconnectDirectory');
  }

  /** Connects it again, and makes a token. */
  @Post(':id/connect')
  @Needs('manage')
  @Documented({ summary: 'Connect a directory again, with a new token, which is shown', answer: REVEALED })
  @HttpCode(200)
  connect(@Param('id') id: string, @Asks() asked: Asked): Promise<RevealedDirectory> {
    return this.changed.connect(asked, id);
  }

  /** Another identity provider takes over: a new token, and the ids that the old one gave do not count. */
  @Post(':id/move')
  @Needs('manage')
  @Documented({
    summary: 'Let another identity provider take over a directory, with a new token, which is shown',
    description: 'The tokens and OAuth clients of the one before are revoked; users and groups stay with their ids.',
    body: NewKind,
    answer: REVEALED,
  })
  @HttpCode(200)
  move(@Param('id') id: string, @Body() body: unknown, @Asks() asked: Asked): Promise<RevealedDirectory> {
    return this.changed.move(asked, id, checked(NewKind, body).kind);
  }

  /** Only a disconnected one to which nothing belongs. */
  @Delete(':id')
  @Needs('manage')
  @Documented({ summary: 'Delete a disconnected directory to which nothing belongs', answer: null })
  @HttpCode(204)
  delete(@Param('id') id: string, @Asks() asked: Asked): Promise<void> {
    return this.changed.delete(asked, id);
  }
}
