/** Numbers that prove themselves: a digit of theirs checks the others, so that few of the rest are taken for one. */

/** Payment cards, also in groups with a space or a hyphen between. */
export const withoutCards = (text: string, mark: () => string): string =>
  text.replace(digitRuns, (run) => (run.length < shortestCard ? run : withoutCardsIn(run, mark)));

/** Digits, each at most one separator from the next. */
const digitRuns = /[0-9](?:[ \u00a0-]?[0-9])*/g;
const shortestCard = 13;

/** Such a run may hold more than the card: a date before it, a code behind it. A card begins and ends with a group. */
function withoutCardsIn(run: string, mark: () => string): string {
  const places: number[] = [];
  const digits: number[] = [];
  for (let at = 0; at < run.length; at++) {
    if (!isDigit(run, at)) continue;
    places.push(at);
    digits.push(run.charCodeAt(at) - 48);
  }
  let shown = "";
  let from = 0;
  for (let first = 0; first + shortestCard <= digits.length;) {
    const begin = places[first] ?? 0;
    const length = isDigit(run, begin - 1) ? 0 : cardAt(run, digits, places, first);
    if (length === 0) {
      first += 1;
      continue;
    }
    shown += run.slice(from, begin) + mark();
    from = (places[first + length - 1] ?? 0) + 1;
    first += length;
  }
  return from === 0 ? run : shown + run.slice(from);
}

/** How many digits the card has that begins here; 0: none does. */
function cardAt(run: string, digits: readonly number[], places: readonly number[], first: number): number {
  const lengths = issuedLengths(digits[first] ?? 0, digits[first + 1] ?? 0);
  return (
    lengths.find((length) => {
      const last = places[first + length - 1];
      return last !== undefined && !isDigit(run, last + 1) && passesLuhn(digits, first, length);
    }) ?? 0
  );
}

const isDigit = (text: string, at: number): boolean => {
  const code = text.charCodeAt(at);
  return code >= 48 && code <= 57;
};

/** Of cards whose number begins so (ISO/IEC 7812), longest first: a time in milliseconds begins as none of them. */
function issuedLengths(first: number, second: number): readonly number[] {
  switch (first) {
    case 2:
      return second >= 2 && second <= 7 ? only16 : none;
    case 3:
      if (second === 4 || second === 7) return only15;
      if (second === 5) return only16;
      return second === 0 || second === 6 || second > 7 ? diners : none;
    case 4:
      return visa;
    case 5:
      return second < 9 ? maestro : none;
    case 6:
      return maestro;
    default:
      return none;
  }
}
const none: readonly number[] = [];
const only15 = [15];
const only16 = [16];
const diners = [16, 15, 14];
const visa = [19, 16, 13];
const maestro = [19, 18, 17, 16];

/** ISO/IEC 7812-1, annex B. */
function passesLuhn(digits: readonly number[], first: number, length: number): boolean {
  let sum = 0;
  for (let at = 0; at < length; at++) {
    const digit = digits[first + length - 1 - at] ?? 0;
    sum += at % 2 === 0 ? digit : digit > 4 ? 2 * digit - 9 : 2 * digit;
  }
  return sum % 10 === 0;
}

/** Account numbers by ISO 13616, also in groups. */
export function withoutIbans(text: string, mark: () => string): string {
  let shown = "";
  let from = 0;
  for (const match of text.matchAll(ibanStart)) {
    if (match.index < from) continue;
    const end = ibanEnd(text, match.index, lengths.get(match[1]?.toUpperCase() ?? "") ?? 0);
    if (end === null) continue;
    shown += text.slice(from, match.index) + mark();
    from = end;
  }
  return from === 0 ? text : shown + text.slice(from);
}

const ibanStart =
  /(?:(?<![A-Za-z0-9])|(?<=\\[bfnrt])|(?<=\\u[0-9A-Fa-f]{4}))([A-Za-z]{2})[0-9]{2}(?=[ -]?[A-Za-z0-9])/g;

/** Where the number ends that begins here and has this many characters; `null`: it is none. */
function ibanEnd(text: string, begin: number, length: number): number | null {
  if (length === 0) return null;
  let number = "";
  let at = begin;
  for (; number.length < length; at++) {
    const character = text[at] ?? "";
    if (/[A-Za-z0-9]/.test(character)) number += character.toUpperCase();
    else if (!/[ \u00a0-]/.test(character) || !/[A-Za-z0-9]/.test(text[at + 1] ?? "")) return null;
  }
  const isCut = /[A-Za-z0-9]/.test(text[at] ?? "");
  return isCut || remainder97(number.slice(4) + number.slice(0, 4)) !== 1 ? null : at;
}

function remainder97(number: string): number {
  let rest = 0;
  for (const character of number) {
    const value = Number.parseInt(character, 36);
    rest = (rest * (value > 9 ? 100 : 10) + value) % 97;
  }
  return rest;
}

/** Of each country, from the IBAN registry, release 99 (SWIFT). */
const lengths: ReadonlyMap<string, number> = new Map(
  (
    "AD24AE23AL28AT20AZ28BA20BE16BG22BH22BI27BR29BY28CH21CR22CY28CZ24DE22DJ27DK18DO28EE20EG29ES24FI18FK18FO18FR27GB22" +
    "GE22GI23GL18GR27GT28HN28HR21HU28IE22IL23IQ23IS26IT27JO30KW30KZ20LB28LC32LI21LT20LU20LV21LY25MC27MD24ME22MK19MN20" +
    "MR27MT31MU30NI28NL18NO15OM23PK24PL28PS29PT25QA29RO24RS22RU33SA24SC31SD18SE24SI19SK24SM27SO23ST25SV28TL23TN24TR26" +
    "UA29VA22VG24XK20YE30"
  )
    .match(/[A-Z]{2}\d\d/g)
    ?.map((entry) => [entry.slice(0, 2), Number(entry.slice(2))]),
);
