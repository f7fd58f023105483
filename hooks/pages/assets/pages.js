// A little help on top of pages that work without it. It sends nothing anywhere but to these pages, and stores nothing.
"use strict";
(() => {
  const root = document.documentElement;
  root.classList.remove("no-script");
  const one = (selector) => document.querySelector(selector);

  // A page from the back button's memory may be somebody else's by now.
  addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });

  const problem = one("#problem");
  if (problem) problem.focus();

  // The page that waits: one question at a time, held by the server; on with the page when the answer is another.
  const waits = one("[data-waits]");
  const rest = (time) => new Promise((done) => setTimeout(done, time));
  const watch = async () => {
    let pause = 1000;
    for (;;) {
      try {
        const answer = await fetch(waits.dataset.waits, { cache: "no-store", credentials: "same-origin" });
        if (answer.status === 205) {
          location.replace(waits.dataset.moves);
          return;
        }
        pause = answer.status === 204 ? 500 : Math.min(pause * 2, 20000);
      } catch {
        pause = Math.min(pause * 2, 20000);
      }
      await rest(pause);
    }
  };
  if (waits) watch();

  // "Send again", when it may be.
  const resend = one("#resend[data-after]");
  if (resend) {
    const hint = one("#resend-hint");
    const ready = Date.now() + Number(resend.dataset.after) * 1000;
    resend.setAttribute("aria-disabled", "true");
    resend.addEventListener("click", (event) => { if (resend.hasAttribute("aria-disabled")) event.preventDefault(); });
    const tick = () => {
      const left = Math.ceil((ready - Date.now()) / 1000);
      if (left <= 0) {
        resend.removeAttribute("aria-disabled");
        hint.textContent = "";
        return;
      }
      hint.textContent = hint.dataset.counts.replace("%", new Intl.NumberFormat(root.lang, { style: "unit", unit: "second", unitDisplay: "long" }).format(left));
      setTimeout(tick, 500);
    };
    tick();
  }

  // Passwords can be looked at.
  for (const button of document.querySelectorAll("[data-shows]")) {
    const field = document.getElementById(button.dataset.shows);
    button.hidden = false;
    button.addEventListener("click", () => {
      const shown = field.type === "text";
      field.type = shown ? "password" : "text";
      button.textContent = shown ? button.dataset.show : button.dataset.hide;
      const label = button.dataset.label;
      button.dataset.label = button.ariaLabel;
      button.ariaLabel = label;
    });
    if (field.form) field.form.addEventListener("submit", () => { field.type = "password"; });
  }

  // What is chosen opens what belongs to it.
  const opens = one("[data-opens]");
  if (opens) {
    const inset = document.getElementById(opens.dataset.opens);
    const turn = () => { inset.hidden = !opens.checked; };
    for (const radio of document.getElementsByName(opens.name)) radio.addEventListener("change", turn);
    turn();
  }

  // The rules of a password, as one types. The daemon and the directory decide; this only says it early.
  const judged = one("[data-judged]");
  if (judged) judge(judged);

  function judge(field) {
    const rules = [...document.querySelectorAll("[data-rule]")];
    const verdict = one("[data-verdict]");
    const meter = one("[data-strength]");
    // Its place is kept from the beginning, and that of the words after each rule (in the style sheet): what is about to be
    // pressed must not move away when the answer comes.
    meter.classList.add("quiet");
    meter.hidden = false;
    const grades = [...meter.querySelectorAll("template")].map((grade) => grade.content.textContent);
    const identity = field.dataset.identity.split(" ").filter(Boolean);
    let score = null;
    let asked = 0;
    let later = 0;
    let spoken = 0;
    const kinds = (text) => [/\p{Ll}/u, /\p{Lu}/u, /\p{N}/u, /[^\p{L}\p{N}]/u].filter((kind) => kind.test(text)).length;
    const tests = {
      length: (text, value) => [...text].length >= value && [...text].length <= Number(field.dataset.maximum),
      classes: (text, value) => kinds(text) >= value,
      identity: (text) => !identity.some((part) => text.toLowerCase().includes(part)),
      strength: (text, value) => (score === null ? null : score >= value),
    };
    const draw = () => {
      const text = field.value;
      const unmet = [];
      for (const rule of rules) {
        const test = tests[rule.dataset.rule];
        const met = text && test ? test(text, Number(rule.dataset.value)) : null;
        rule.classList.toggle("met", met === true);
        rule.classList.toggle("unmet", met === false);
        rule.querySelector(".said").textContent = met === null ? "" : `(${met ? verdict.dataset.met : verdict.dataset.unmet})`;
        if (met === false) unmet.push(rule.childNodes[1].textContent.trim());
      }
      meter.classList.toggle("quiet", score === null || !text);
      if (score !== null) {
        meter.querySelector(".bar").dataset.score = String(Math.max(score, 1));
        meter.querySelector("strong").textContent = grades[score];
      }
      clearTimeout(spoken);
      spoken = setTimeout(() => {
        const words = unmet.length ? `${verdict.dataset.some} ${unmet.join(" ; ")}` : verdict.dataset.all;
        verdict.textContent = text ? words : "";
      }, 1200);
    };
    const ask = async () => {
      const number = ++asked;
      const body = new URLSearchParams({ form: field.form.elements.form.value, password: field.value, identity: identity.join(" ") });
      try {
        const answer = await fetch(field.dataset.judged, { method: "POST", body, credentials: "same-origin" });
        if (number !== asked || !answer.ok) return;
        score = (await answer.json()).score;
        draw();
      } catch { /* The rules that need nobody are shown all the same. */ }
    };
    field.addEventListener("input", () => {
      score = field.value ? score : null;
      draw();
      clearTimeout(later);
      if (field.value) later = setTimeout(ask, 250);
    });
  }

  // Left alone, a page closes, and leaves nothing. Whoever touches it stays.
  const after = Number(document.body.dataset.closes) * 1000;
  if (after && !waits) {
    const bar = one("[data-closing]");
    const words = bar.querySelector("template").content.textContent;
    let touched = Date.now();
    const touch = () => { touched = Date.now(); if (!bar.hidden) { bar.hidden = true; bar.querySelector("p").textContent = ""; } };
    for (const kind of ["pointerdown", "keydown", "scroll", "focusin"]) addEventListener(kind, touch, { passive: true });
    bar.querySelector("button").addEventListener("click", touch);
    setInterval(() => {
      const left = after - (Date.now() - touched);
      if (left <= 0) location.replace(document.body.dataset.closed);
      else if (left <= 60000 && bar.hidden) { bar.hidden = false; bar.querySelector("p").textContent = words; }
    }, 1000);
  }
})();
