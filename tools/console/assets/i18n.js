// The page's words in English and Chinese, and its times and numbers as each language writes them.

const REMEMBERED = "gatehouse.language";
const LOCALES = { en: "en-GB", zh: "zh-CN" };
const tables = {};
let language = "en";

export async function loadWords() {
  await Promise.all(Object.keys(LOCALES).map(async (name) => {
    const answer = await fetch(`/assets/${name}.json`);
    tables[name] = await answer.json();
  }));
  const remembered = recall();
  const browser = navigator.language.toLowerCase().startsWith("zh") ? "zh" : "en";
  speak(remembered in LOCALES ? remembered : browser);
}

// Translates the page's fixed parts; what is drawn from data follows with its next update.
export function speak(name) {
  language = name;
  document.documentElement.lang = name === "zh" ? "zh-CN" : "en";
  for (const element of document.querySelectorAll("[data-i18n]")) element.textContent = t(element.dataset.i18n);
  for (const element of document.querySelectorAll("[data-i18n-label]")) {
    element.setAttribute("aria-label", t(element.dataset.i18nLabel));
  }
  for (const button of document.querySelectorAll("[data-language]")) {
    button.setAttribute("aria-pressed", String(button.dataset.language === name));
  }
}

export function remember(name) {
  try {
    localStorage.setItem(REMEMBERED, name);
  } catch {
    // A browser that stores nothing asks its own language again next time.
  }
}

function recall() {
  try {
    return localStorage.getItem(REMEMBERED);
  } catch {
    return null;
  }
}

// The words for `key`, with `{name}` replaced by `values.name`.
export function t(key, values = {}) {
  const words = tables[language]?.[key];
  if (words === undefined) return key;
  return words.replace(/\{(\w+)\}/g, (_, name) => String(values[name] ?? ""));
}

// Hours to seconds in the browser's own zone.
export function clockTime(date) {
  return new Intl.DateTimeFormat(LOCALES[language], { timeStyle: "medium", hourCycle: "h23" }).format(date);
}

// As `clockTime`, with the day where it isn't today.
export function moment(date) {
  const time = clockTime(date);
  if (date.toDateString() === new Date().toDateString()) return time;
  const day = new Intl.DateTimeFormat(LOCALES[language], { month: "short", day: "numeric", year: "numeric" });
  return `${day.format(date)} ${time}`;
}

export function number(value, digits = 0) {
  const format = { minimumFractionDigits: digits, maximumFractionDigits: digits };
  return new Intl.NumberFormat(LOCALES[language], format).format(value);
}
