export { testAuth, type AuthContract } from "./auth.ts";
export { testBilling, type BillingCase } from "./billing.ts";
export { fakeClock, fakeContext, setUp, type FakeClock, type Seen } from "./context.ts";
export { grammarFault } from "./grammar.ts";
export { testObserver, type ObserverUnderTest } from "./observer.ts";
export { testProvider, type ModelContract, type UpstreamContract } from "./provider.ts";
export { testRateLimit, type RateLimitContract } from "./rate-limit.ts";
export { aCallRecord, aChatRequest, aClaim, aMessage, anAttempt, aPrincipal } from "./samples.ts";
