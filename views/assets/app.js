// The whole of our own script. Pages work without it: it shows where one is, copies, asks before something ends, sends a form once, marks the field that is wrong, pauses refreshes in hidden tabs, says when one failed, and keeps the place of the keyboard.
(() => {
  const notice = () => document.getElementById("notice");

  // The copy buttons only make sense with this script, so they are hidden without it.
  const reveal = (root) => root.querySelectorAll("button[data-copy]").forEach((button) => (button.hidden = false));
  reveal(document);
  document.addEventListener("htmx:after:settle", () => reveal(document));

  // What is wrong with a form begins with the label of its field: beside that form it is told, and that field is marked, unfolded and has the keyboard.
  const mark = (root) => {
    const told = root.querySelector("[role=alert]");
    const own = told?.closest("form");
    // On a page of its own the refused form is the one that leads to where the page is.
    const isRefused = (form) => (own ? form === own : form.getAttribute("action") === location.pathname);
    const wrong = told?.textContent.split(": ")[0].toLowerCase();
    const isWrong = (label) => label.firstChild.textContent.toLowerCase().includes(wrong);
    const forms = told ? [...root.querySelectorAll("form")].filter(isRefused) : [];
    const field = forms.flatMap((form) => [...form.querySelectorAll("label")]).find(isWrong)?.control;
    if (!field) return false;
    if (!own) field.form.prepend(told);
    told.id = "wrong";
    field.setAttribute("aria-invalid", "true");
    field.setAttribute("aria-describedby", told.id);
    for (let around = field.closest("details"); around; around = around.parentElement.closest("details"))
      around.open = true;
    field.focus();
    return true;
  };
  mark(document);

  // A form that is swapped takes the focus with it: it goes on where something is told, else at the form, folded now, or the name of a row.
  document.addEventListener("htmx:after:swap", (event) => {
    if (event.detail.ctx.request.method !== "POST" || document.activeElement !== document.body) return;
    if (mark(event.target)) return;
    const [told, next] = [".error, .secret", "summary"].map((what) => event.target.querySelector(what));
    if (told) told.tabIndex = -1;
    (told ?? next ?? event.target.querySelector("a"))?.focus();
  });

  // On a phone the pages are a line that scrolls: the current one is in sight.
  const nav = document.querySelector(".top nav");
  const current = nav?.querySelector("[aria-current]");
  if (current) nav.scrollLeft = current.offsetLeft - nav.offsetLeft - (nav.clientWidth - current.offsetWidth) / 2;

  document.addEventListener("click", async (event) => {
    const button = event.target instanceof Element ? event.target.closest("button[data-copy]") : null;
    const source = button?.parentElement?.querySelector(".copied");
    if (!button || !source) return;
    // The clipboard exists in secure contexts only; on plain http the text is selected, ready for Ctrl-C.
    getSelection()?.selectAllChildren(source);
    try {
      await navigator.clipboard.writeText(source.textContent ?? "");
      button.textContent = "Copied";
    } catch {
      button.textContent = "Selected";
    }
  });

  // What ends something asks before. Ahead of htmx, which listens on the form itself and would send it.
  document.addEventListener(
    "submit",
    (event) => {
      const question = event.target.dataset.confirm;
      if (question === undefined || confirm(question)) return;
      event.preventDefault();
      event.stopImmediatePropagation();
    },
    true,
  );

  // What htmx sends is prevented here, and guards itself. Later, so that the button is still part of what is sent.
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (event.defaultPrevented || form.method !== "post") return;
    const buttons = form.querySelectorAll("button");
    setTimeout(() => buttons.forEach((button) => (button.disabled = true)));
    // The way back may show this very page again.
    addEventListener("pageshow", () => buttons.forEach((button) => (button.disabled = false)), { once: true });
  });

  document.addEventListener("htmx:config:request", (event) => {
    if (document.hidden && event.detail.ctx.sourceElement.matches("[data-poll]")) event.preventDefault();
  });
  document.addEventListener("htmx:after:request", (event) => {
    if (event.detail.ctx.response.status < 400) notice()?.replaceChildren();
  });
  document.addEventListener("htmx:error", () => {
    const line = document.createElement("p");
    line.className = "banner bad";
    line.textContent = "No connection to the proxy. What you see may be old.";
    notice()?.replaceChildren(line);
  });
})();
