import type { UserEvent } from '#contracts';

/** An event of a user, divided into what the store keeps readable and what it keeps sealed with the person's key. */
export interface DividedEvent {
  readonly data: object;
  /** Null = nothing of it is personal. */
  readonly personal: object | null;
}

/** Values of attributes and sign-in identities are personal; which attributes changed is not. */
export const divided = (event: UserEvent): DividedEvent => {
  switch (event.type) {
    case 'UserCreated': {
      const { resource, ...data } = event;
      return { data, personal: { resource } };
    }
    case 'UserChanged':
    case 'UserLinked':
    case 'UserUnlinked':
    case 'UserTransferred':
    case 'UserWithdrawn':
    case 'AttributesMapped':
    case 'UserArchived':
    case 'UserRestored':
    case 'AttributesSet': {
      const { changes, ...data } = event;
      return { data: { ...data, attributes: Object.keys(changes) }, personal: { changes } };
    }
    case 'UserSignedIn':
    case 'SignInUnlinked': {
      const { providerId, ...data } = event;
      return { data, personal: { providerId } };
    }
    default:
      return { data: event, personal: null };
  }
};
