import { expect, test } from "bun:test";
import { ownService } from "../../core/api/own-service.ts";
import { GatewayError } from "../../core/chat/error.ts";
import { throttlesOf } from "../../core/identity/throttle.ts";
import { openAt, temporaryFolder } from "../storage/folder.ts";

const folder = temporaryFolder();
const kim = {
  kind: "person",
  id: "kim",
  name: "kim@x.example",
  role: "owner",
  accountId: null,
  address: null,
} as const;

test("a new password is made in turn with those of the sign-ins, and stays as it was where too many wait", async () => {
  const database = await openAt(folder.file());
  const { people } = database;
  await people.create({ ...kim, email: kim.name, createdMs: 0 });
  let mayWait = true;
  const service = ownService({
    database,
    sessions: { list: async () => [], end: async () => false },
    signIn: {
      isPassword: async () => true,
      hashed: async (password) => {
        if (!mayWait) throw new GatewayError("unavailable", "too many sign-ins at once");
        return `hash of ${password}`;
      },
    },
    secondFactor: {
      begin: () => Promise.reject(new Error("not reached")),
      begun: async () => null,
      confirm: async () => null,
    },
    throttles: throttlesOf(() => 0),
    now: () => 0,
    newId: () => "id",
  });
  const given = (password: string) => ({ current: "the old password", password });
  await service.setPassword(kim, given("a new password"), null);
  mayWait = false;
  expect(service.setPassword(kim, given("another password"), null)).rejects.toMatchObject({ kind: "unavailable" });
  expect((await people.secretsOf({ id: kim.id }))?.password).toBe("hash of a new password");
  await database.close();
});
