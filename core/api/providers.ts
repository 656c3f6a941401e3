import { missing } from "../chat/error.ts";
import { CredentialChangeSchema, NewCredentialSchema } from "./credential-schemas.ts";
import type { CredentialService, ShownCredential } from "./credential-service.ts";
import type { ApiRoute } from "./route.ts";

export const providerRoutes = (service: CredentialService): readonly ApiRoute[] => [
  {
    method: "GET",
    path: "/api/providers",
    permission: "providers.read",
    summary: "List the providers: where they are, what they speak, and their keys, masked.",
    answer: async () => ({
      data: service.providers().map(({ credentials, ...provider }) => ({
        ...provider,
        credentials: credentials.map(answerOf),
      })),
      next: null,
    }),
  },
  {
    method: "GET",
    path: "/api/providers/:name/credentials",
    permission: "credentials.read",
    summary: "List the stored keys of a provider, oldest first, masked, with how they do.",
    answer: async ({ params }) => ({ data: (service.list(params.name ?? "") ?? missing()).map(answerOf), next: null }),
  },
  {
    method: "POST",
    path: "/api/providers/:name/credentials",
    permission: "credentials.write",
    summary:
      "Store a key of a provider, encrypted. From the next call on the stored keys are used, by weight, in the place of the file's own.",
    body: NewCredentialSchema,
    status: 201,
    answer: async ({ params, body }) => answerOf((await service.create(params.name ?? "", body)) ?? missing()),
  },
  {
    method: "PATCH",
    path: "/api/providers/:name/credentials/:id",
    permission: "credentials.write",
    summary: "Change a stored key: its name, weight, whether it is used; another `apiKey` replaces it.",
    body: CredentialChangeSchema,
    answer: async ({ params, body }) =>
      answerOf((await service.change(params.name ?? "", params.id ?? "", body)) ?? missing()),
  },
  {
    method: "DELETE",
    path: "/api/providers/:name/credentials/:id",
    permission: "credentials.write",
    summary: "Remove a stored key. Calls that are open keep it to their end.",
    async answer({ params }) {
      const id = params.id ?? "";
      if (!(await service.remove(params.name ?? "", id))) missing();
      return { id, removed: true };
    },
  },
];

const answerOf = ({ masked, createdMs, changedMs, restsUntilMs, ...credential }: ShownCredential) => ({
  ...credential,
  apiKey: masked,
  restsUntil: restsUntilMs,
  createdAt: createdMs,
  changedAt: changedMs,
});
