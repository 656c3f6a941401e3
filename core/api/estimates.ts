import type { Ratios } from "../pipeline/ratios.ts";
import { pageOfRows } from "./keyset.ts";
import { type ApiRoute, checkedQuery } from "./route.ts";
import { EstimatesQuerySchema } from "./schemas.ts";

export const estimateRoutes = (ratios: Pick<Ratios, "list">): readonly ApiRoute[] => [
  {
    method: "GET",
    path: "/api/estimates",
    permission: "estimates.read",
    summary:
      "What was learned of each model: the bytes of text in a token, and what calls held and were charged lately. By name.",
    query: EstimatesQuerySchema,
    async answer({ query }) {
      const { provider, model, ...paging } = checkedQuery(EstimatesQuerySchema, query);
      const rows = ratios
        .list()
        .filter((row) => (provider ?? row.provider) === row.provider && (model ?? row.model) === row.model);
      const page = pageOfRows(rows, (row) => `${row.provider}/${row.model}`, paging);
      return {
        data: page.data.map(({ input, output, ...row }) => ({
          ...row,
          inputBytesPerToken: rounded(input),
          outputBytesPerToken: rounded(output),
        })),
        next: page.next,
      };
    },
  },
];

const rounded = (ratio: number): number => Math.round(ratio * 1_000) / 1_000;
