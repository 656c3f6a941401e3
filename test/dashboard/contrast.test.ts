import { afterAll, beforeAll, expect, test } from "bun:test";
import { browserPath, patienceMs, signIn, type Visits, visitsOf } from "./browser.ts";
import { seed } from "./seed.ts";
import { site } from "./site.ts";

/** Whatever is to be read stands out from what is behind it 4.5 to 1, and the edge of a field 3 to 1 (WCAG 2.2 §1.4.3, §1.4.11). */

if (browserPath === null)
  console.log("skipped: 2 tests of contrast in a browser (no chromium here; CHROMIUM_PATH names one)");
else inBrowser(browserPath);

function inBrowser(path: string): void {
  let visits: Visits;
  beforeAll(async () => {
    visits = await visitsOf(site({ seed: seed() }), path);
  }, patienceMs);
  afterAll(() => visits.stop());

  const pages = ["", "calls", "usage", "keys", "accounts", "budgets", "limits", "prices", "ledger", "people", "audit"];
  test.each([false, true])(
    "of texts, placeholders and fields, dark: %p",
    async (dark) => {
      const { page } = await visits.open("localhost", { dark });
      await signIn(page);
      const faint: string[] = [];
      for (const one of pages) {
        await page.goto(`/dashboard/${one}`.replace(/\/$/, ""));
        faint.push(...(await page.evaluate(faintIn)));
      }
      expect(faint).toEqual([]);
      await page.context().close();
    },
    patienceMs,
  );
}

/** In the page: what is hard to see, each with its contrast. */
function faintIn(): string[] {
  type Colour = readonly [red: number, green: number, blue: number, alpha: number];
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const colourOf = (text: string): Colour => {
    if (!canvas) throw new Error("no canvas");
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = text;
    canvas.fillRect(0, 0, 1, 1);
    const [red = 0, green = 0, blue = 0, alpha = 0] = canvas.getImageData(0, 0, 1, 1).data;
    return [red, green, blue, alpha / 255];
  };
  const mix = (above: number, below: number, alpha: number) => above * alpha + below * (1 - alpha);
  const laid = ([red, green, blue, alpha]: Colour, below: Colour): Colour => [
    mix(red, below[0], alpha),
    mix(green, below[1], alpha),
    mix(blue, below[2], alpha),
    1,
  ];
  const behind = (element: Element | null): Colour =>
    element === null
      ? [255, 255, 255, 1]
      : laid(colourOf(getComputedStyle(element).backgroundColor), behind(element.parentElement));
  const light = (value: number) => (value <= 10 ? value / 255 / 12.92 : ((value / 255 + 0.055) / 1.055) ** 2.4);
  const luminance = ([red, green, blue]: Colour) => 0.2126 * light(red) + 0.7152 * light(green) + 0.0722 * light(blue);
  const faint = (element: Element, colour: string, least: number, text: string): string[] => {
    const ground = behind(element);
    const ink = laid(colourOf(colour), ground);
    const [dark = 0, bright = 0] = [luminance(ink), luminance(ground)].toSorted((left, right) => left - right);
    const contrast = (bright + 0.05) / (dark + 0.05);
    return contrast < least ? [`${contrast.toFixed(2)} ${location.pathname} ${text}`] : [];
  };

  for (const folded of document.querySelectorAll("details")) folded.open = true;
  const seen = [...document.body.querySelectorAll("*")].filter((element) => element.checkVisibility());
  return seen.flatMap((element) => {
    const text = [...element.childNodes].map((node) => (node.nodeType === 3 ? node.nodeValue?.trim() : "")).join("");
    const placeholder = element.getAttribute("placeholder") ?? "";
    const style = getComputedStyle(element);
    return [
      ...(text === "" || element.closest("svg") ? [] : faint(element, style.color, 4.5, text)),
      ...(placeholder === "" ? [] : faint(element, getComputedStyle(element, "::placeholder").color, 4.5, placeholder)),
      ...(element.matches("input:not([type=checkbox]), select") ? faint(element, style.borderColor, 3, "edge") : []),
    ];
  });
}
