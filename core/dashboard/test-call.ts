import { testCallError, testCallPage, testedCall } from "../../views/test-call.ts";
import { htmlResponse, wantsPart } from "./page.ts";
import type { PageDependencies, PageRoute } from "./route.ts";

const mostLength = 512;

/** A call that somebody makes by a button, to see whether a model answers. */
export const testCallRoutes = ({ testCall }: Pick<PageDependencies, "testCall">): readonly PageRoute[] => [
  {
    method: "POST",
    path: "/dashboard/test-call",
    permission: "test-calls.write",
    answer: async ({ actor, csrf, form, page, request }) => {
      const model = (form.get("model") ?? "").trim();
      const error = model === "" || model.length > mostLength ? "Model: an alias, or provider/model." : null;
      const tested = error === null ? await testCall(model, actor.name) : null;
      const status = error === null ? 200 : 422;
      if (wantsPart(request))
        return htmlResponse(tested === null ? testCallError(error ?? "") : testedCall(tested), { status });
      return page("Test call", "providers", testCallPage({ model, models: [], csrf, tested, error }), { status });
    },
  },
];
