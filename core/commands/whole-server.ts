import type { Answerer } from "../front.ts";
import { serverOf, type ServerDependencies } from "../server.ts";
import { surfaceOf, type SurfaceParts } from "./surface.ts";

/** All routes over one set of services. A module of its own, so that it can be loaded when calls are served already. */
export const wholeServer = (
  surface: SurfaceParts,
  beside: Pick<ServerDependencies, "services" | "lag" | "strays" | "outbox" | "troubles" | "webhooks">,
): Answerer => serverOf({ ...beside, ...surfaceOf(surface) });
