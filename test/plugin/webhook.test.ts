import { createHmac } from "node:crypto";
import { fakeContext, setUp, testWebhook } from "llm-proxy/testing";
import { hooked } from "../fixtures/plugins/hooked.ts";

const secret = "s3cret-that-signs";

function message(body: string, signedBody = body, key = secret): Request {
  const signature = createHmac("sha256", key).update(signedBody).digest("hex");
  return new Request("http://localhost/hooks/acme", { method: "POST", headers: { "x-signature": signature }, body });
}

testWebhook(() => setUp(hooked, { secret }, fakeContext()), {
  genuine: () => message("{}"),
  forged: {
    "another body": () => message('{"do":"empty"}', "{}"),
    "another secret": () => message("{}", "{}", "s3cret-of-somebody-else"),
  },
});
