import { expect, test } from "bun:test";
import { fetchOf } from "../../core/plugin/fetch.ts";

const options = {
  issuer: "https://login.corp.test/realm",
  receivers: [{ url: "http://10.0.0.5:9000/hook" }],
  host: "mail.corp.test",
  peer: "cache.corp.test:6379",
  text: "nothing of an address",
};

test("what the options of an instance name is reached as it is; everything else passes the guard", async () => {
  const sent: string[] = [];
  const fetch = fetchOf(options, {
    pin: (url) => Promise.resolve({ url, host: "pinned", serverName: null }),
    send(target, { redirect }, pinned) {
      sent.push(`${target instanceof Request ? target.url : target} ${redirect}${pinned ? " guarded" : ""}`);
      return Promise.resolve(new Response());
    },
  });
  const free = [
    "https://login.corp.test/.well-known/openid-configuration",
    "http://10.0.0.5:9000/other",
    "https://mail.corp.test/",
    "http://cache.corp.test:6379/",
  ];
  const guarded = [
    "http://login.corp.test/realm",
    "https://login.corp.test:8443/keys",
    "http://10.0.0.5:9001/hook",
    "http://cache.corp.test/",
    "http://169.254.169.254/",
    "https://keys.example.com/",
  ];
  for (const url of [...free, ...guarded]) await fetch(new Request(url));
  expect(sent).toEqual([...free.map((url) => `${url} manual`), ...guarded.map((url) => `${url} manual guarded`)]);
});

test("what is no Request is told as that", async () => {
  const never = () => Promise.reject(new Error("sent"));
  const fetch = fetchOf(options, { pin: never, send: never });
  await expect(fetch("https://mail.corp.test/" as never)).rejects.toThrow("fetch() takes a Request");
});
