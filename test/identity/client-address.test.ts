import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { addressGroup, clientAddresses } from "../../core/identity/client-address.ts";

describe("the address of a client", () => {
  test.each<[trusted: readonly string[], peer: string | null, forwarded: string | null, address: string | null]>([
    [[], "203.0.113.9", "10.1.1.1", "203.0.113.9"],
    [[], "::ffff:203.0.113.9", null, "203.0.113.9"],
    [[], null, "10.1.1.1", null],
    [["10.0.0.0/8"], "203.0.113.9", "198.51.100.1", "203.0.113.9"],
    [["10.0.0.0/8"], "10.0.0.1", null, "10.0.0.1"],
    [["10.0.0.0/8"], "10.0.0.1", "198.51.100.1", "198.51.100.1"],
    [["10.0.0.0/8"], "::ffff:10.0.0.1", "1.1.1.1, 198.51.100.1, 10.2.3.4", "198.51.100.1"],
    [["10.0.0.0/8"], "10.0.0.1", "10.0.0.3, 10.0.0.2", "10.0.0.3"],
    [["10.0.0.0/8"], "10.0.0.1", "198.51.100.1, nonsense, 10.0.0.2", "10.0.0.2"],
    [["10.0.0.0/8"], "10.0.0.1", "", "10.0.0.1"],
    [["10.0.0.0/8"], "10.0.0.1", "198.51.100.1:4711", "198.51.100.1"],
    [["10.0.0.1"], "10.0.0.1", "[2001:db8::5]:443", "2001:db8::5"],
    [["10.0.0.1"], "10.0.0.2", "198.51.100.1", "10.0.0.2"],
    [["fd00::/8", "127.0.0.1"], "fd00::1", "198.51.100.1, fd12::1", "198.51.100.1"],
  ])("trusting %j: %s with X-Forwarded-For %j is %s", (trusted, peer, forwarded, address) => {
    expect(clientAddresses(trusted).of(peer, forwarded)).toBe(address);
  });

  test("nothing that a client writes before its own proxy's entry changes it", () => {
    const { of } = clientAddresses(["10.0.0.0/8"]);
    fc.assert(
      fc.property(fc.string(), (written) => {
        expect(of("10.0.0.1", `${written},198.51.100.7, 10.9.9.9`)).toBe("198.51.100.7");
      }),
    );
  });
});

describe("the group of an address", () => {
  test.each([
    ["203.0.113.9", "203.0.113.9"],
    ["::ffff:203.0.113.9", "203.0.113.9"],
    ["2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"],
    ["2001:0db8:0001:0002::6", "2001:db8:1:2::/64"],
    ["2001:db8::1", "2001:db8:0:0::/64"],
    ["fe80::1%eth0", "fe80:0:0:0::/64"],
    ["::1", "0:0:0:0::/64"],
    ["64:ff9b::192.0.2.33", "64:ff9b:0:0::/64"],
  ])("%s is in %s", (address, group) => expect(addressGroup(address)).toBe(group));

  test("all addresses of one network of 64 bits are one, those of two are two", () => {
    const part = fc.integer({ min: 0, max: 0xffff }).map((group) => group.toString(16));
    fc.assert(
      fc.property(
        fc.array(part, { minLength: 8, maxLength: 8 }),
        fc.array(part, { minLength: 8, maxLength: 8 }),
        (a, b) => {
          const [one, other] = [[...a.slice(0, 4), ...b.slice(4)].join(":"), b.join(":")];
          expect(addressGroup(one)).toBe(addressGroup(a.join(":")));
          expect(addressGroup(one) === addressGroup(other)).toBe(a.slice(0, 4).join(":") === b.slice(0, 4).join(":"));
        },
      ),
    );
  });
});
