/** The account of keys and callers that name none. It is always there. */
export const defaultAccount = "default";
