import { BlockList, isIP } from 'node:net';

/** Networks of IPv4 that lead nowhere outside, or back to us (IANA IPv4 Special-Purpose Address Registry). */
const SPECIAL_IPV4 = [
  '0.0.0.0/8',
  '10.0.0.0/8',
  '100.64.0.0/10',
  '127.0.0.0/8',
  '169.254.0.0/16',
  '172.16.0.0/12',
  '192.0.0.0/24',
  '192.0.2.0/24',
  '192.88.99.0/24',
  '192.168.0.0/16',
  '198.18.0.0/15',
  '198.51.100.0/24',
  '203.0.113.0/24',
  '224.0.0.0/4',
  '240.0.0.0/4',
];
/** Global unicast of IPv6 (RFC 4291 §2.4): what is not in it is local, mapped or reserved. */
const UNICAST_IPV6 = '2000::/3';
/** Of that: protocol assignments, documentation, 6to4, which hides an address of IPv4, and documentation again. */
const SPECIAL_IPV6 = ['2001::/23', '2001:db8::/32', '2002::/16', '3fff::/20'];

const listOf = (networks: readonly string[]): BlockList => {
  const list = new BlockList();
  for (const network of networks) {
    const [address, bits] = network.split('/') as [string, string];
    list.addSubnet(address, Number(bits), isIP(address) === 6 ? 'ipv6' : 'ipv4');
  }
  return list;
};

const [specialIpv4, unicastIpv6, specialIpv6] = [SPECIAL_IPV4, [UNICAST_IPV6], SPECIAL_IPV6].map(listOf) as [
  BlockList,
  BlockList,
  BlockList,
];
const loopback = listOf(['127.0.0.0/8', '::1/128']);

/** True for a network in the notation 10.1.0.0/16 or fd00::/8. */
export const isNetwork = (text: string): boolean => {
  const [address = '', bits = '', ...rest] = text.split('/');
  const version = isIP(address);
  return version !== 0 && /^\d{1,3}$/.test(bits) && Number(bits) <= (version === 6 ? 128 : 32) && rest.length === 0;
};

/** The addresses that a URL that somebody else has typed may lead to. */
export class PublicAddresses {
  private readonly allowed: BlockList;

  /** `allowed` = networks that are allowed besides the public addresses. */
  constructor(allowed: readonly string[]) {
    this.allowed = listOf(allowed);
  }

  /** False also for a text that is no address. */
  has(address: string): boolean {
    const version = isIP(address);
    if (version === 0) return false;
    const family = version === 6 ? 'ipv6' : 'ipv4';
    if (this.allowed.check(address, family)) return true;
    return version === 6
      ? unicastIpv6.check(address, family) && !specialIpv6.check(address, family)
      : !specialIpv4.check(address, family);
  }

  /** True for an address of this machine, where it is allowed. */
  isOwn(address: string): boolean {
    return isIP(address) !== 0 && loopback.check(address, isIP(address) === 6 ? 'ipv6' : 'ipv4') && this.has(address);
  }
}
