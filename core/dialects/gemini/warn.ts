/** Told what of a request cannot be said; `instead`: what is done about it, where it is not just left out. */
export type Warn = (what: string, instead?: string) => void;
