import { expect, it } from 'vitest';
import { isNetwork, PublicAddresses } from './public-addresses.js';

const PUBLIC = ['1.1.1.1', '93.184.216.34', '172.15.255.255', '172.32.0.1', '2606:4700::1111', '2a00:1450:4001::1'];
const NOT_PUBLIC = [
  ['this network', '0.0.0.0'],
  ['private', '10.0.0.1'],
  ['private', '172.16.0.1'],
  ['private', '192.168.1.1'],
  ['of a provider', '100.64.0.1'],
  ['loopback', '127.0.0.1'],
  ['loopback', '127.255.255.254'],
  ['the metadata of a cloud', '169.254.169.254'],
  ['documentation', '203.0.113.9'],
  ['measurements', '198.18.0.1'],
  ['many', '224.0.0.1'],
  ['all', '255.255.255.255'],
  ['loopback', '::1'],
  ['none', '::'],
  ['private', 'fd00::1'],
  ['link', 'fe80::1'],
  ['link with a zone', 'fe80::1%eth0'],
  ['an address of IPv4', '::ffff:127.0.0.1'],
  ['an address of IPv4', '::ffff:1.1.1.1'],
  ['an address of IPv4 behind NAT64', '64:ff9b::7f00:1'],
  ['an address of IPv4 in 6to4', '2002:7f00:1::'],
  ['Teredo', '2001::1'],
  ['documentation', '2001:db8::1'],
  ['documentation', '3fff::1'],
  ['many', 'ff02::1'],
  ['no address', 'localhost'],
  ['no address', '0x7f000001'],
  ['no address', '2130706433'],
  ['no address', ''],
] as const;

const addresses = new PublicAddresses([]);

it.each(PUBLIC)('%s is public', (address) => {
  expect(addresses.has(address)).toBe(true);
});

it.each(NOT_PUBLIC)('%s: %s is not public', (_what, address) => {
  expect(addresses.has(address)).toBe(false);
});

it('networks that an operator names are allowed besides, and no others', () => {
  const more = new PublicAddresses(['127.0.0.0/8', '10.1.0.0/16', 'fd00::/8']);
  expect(['127.0.0.1', '10.1.2.3', 'fd00::1', '1.1.1.1'].map((address) => more.has(address))).toEqual([
    true,
    true,
    true,
    true,
  ]);
  expect(['10.2.0.1', '::1', '192.168.1.1'].map((address) => more.has(address))).toEqual([false, false, false]);
  expect(['127.0.0.1', '::1', '10.1.2.3', '1.1.1.1'].map((address) => more.isOwn(address))).toEqual([
    true,
    false,
    false,
    false,
  ]);
});

it('a network has an address and the number of its bits', () => {
  expect(['10.0.0.0/8', '::1/128', 'fd00::/8'].map(isNetwork)).toEqual([true, true, true]);
  expect(['10.0.0.0', '10.0.0.0/33', '::/129', 'a/8', '10.0.0.0/8/8', '10.0.0.0/', '/8', ''].map(isNetwork)).toEqual(
    Array.from({ length: 8 }, () => false),
  );
});
