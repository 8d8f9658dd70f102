import type { DirectoryCommand, DirectoryEvent } from '#contracts';
import { isRejection, type Rejection } from '#scim';
import type { Aggregate, CommandType, Decided, Elsewhere, EventType, State, World } from './aggregate.js';
import { apiKey } from './api-key.js';
import { client } from './client.js';
import { directory } from './directory.js';
import { domain } from './domain.js';
import { schema } from './schema.js';
import { signingKey } from './signing-key.js';
import { tenant } from './tenant.js';
import { token } from './token.js';

/** THE aggregates of this owner: tables, commands, events, verify and rebuild are made of this. */
const LIST = [tenant, directory, token, domain, schema, apiKey, client, signingKey] as const;

/** The compiler refuses a list in which a command or an event is missing. */
type Missing =
  | Exclude<CommandType, (typeof LIST)[number]['commands'][number]>
  | Exclude<EventType, (typeof LIST)[number]['events'][number]>;
// oxlint-disable-next-line typescript/no-explicit-any -- each aggregate reads its own commands, events and states alone
export type AnyAggregate = Aggregate<any, any, any>;
export const AGGREGATES: [Missing] extends [never] ? readonly AnyAggregate[] : Missing = LIST;

/** The fold of a stream; null = there is none. */
export type DirectoryOwnerState = State | null;

const byCommand = new Map(AGGREGATES.flatMap((one) => one.commands.map((type) => [type as string, one] as const)));
const byEvent = new Map(AGGREGATES.flatMap((one) => one.events.map((type) => [type as string, one] as const)));
const byKind = new Map(AGGREGATES.map((one) => [one.kind as string, one] as const));

export const aggregateOf = ({ kind }: State): AnyAggregate => byKind.get(kind)!;

/** Returns the events that should happen, and in which stream unless they say another one. [] = nothing changed. */
export const decide = (
  command: DirectoryCommand,
  world: World,
): { readonly stream: string; readonly events: Decided } => {
  const aggregate = byCommand.get(command.type);
  if (!aggregate) throw new Error(`unknown command ${JSON.stringify(command)}`);
  const stream = aggregate.streamOf(command, world);
  const state = world.get(stream);
  const events = aggregate.decide(command, state?.kind === aggregate.kind ? state : null, world);
  return { stream, events: isRejection(events) ? events : [...events, ...endOfAccess(stream, events, world)] };
};

/** An identity provider that is disconnected, or that another one follows, can no longer use what it was given. */
const endOfAccess = (directoryId: string, events: Exclude<Decided, Rejection>, world: World): readonly Elsewhere[] =>
  events.some((one) => 'type' in one && (one.type === 'DirectoryDisconnected' || one.type === 'DirectoryMoved'))
    ? AGGREGATES.flatMap((aggregate) =>
        world.all<State>(aggregate).flatMap(({ id, state }): Elsewhere[] => {
          const event = aggregate.disconnected?.(state, directoryId);
          return event ? [{ at: id, event: event as DirectoryEvent }] : [];
        }),
      )
    : [];

/** Returns the state after an event that has happened. Never throws. */
export const evolve = (state: DirectoryOwnerState, event: DirectoryEvent, recordedAt: string): DirectoryOwnerState => {
  const aggregate = byEvent.get(event.type);
  if (!aggregate) return state;
  return aggregate.evolve(state?.kind === aggregate.kind ? state : null, event, recordedAt);
};
