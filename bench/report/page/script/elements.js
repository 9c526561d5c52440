const byId = (id) => document.getElementById(id);

/** An element with these properties. Text becomes text, never markup: labels and ids are the user's. */
function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

/** Replaces a list's options, and keeps the chosen one where it is still there; else `preferred`, else the first. */
function fillSelect(select, labels, preferred) {
  const wanted = [select.value, preferred].find((label) => labels.includes(label));
  select.replaceChildren(...labels.map((label) => element("option", { textContent: label, value: label })));
  select.selectedIndex = Math.max(0, labels.indexOf(wanted));
}

/** The family's shape in its colour, as in every table and figure. */
function glyphOf(family) {
  const glyph = document.querySelector(`.glyph.${family}`);
  return glyph ? glyph.cloneNode(true) : "";
}

/** A score as the tables print it: best bold, second best underlined. */
function markedScore(score) {
  if (!score) return element("span", { className: "missing", textContent: "n/a" });
  return element({ best: "strong", second: "u" }[score.mark] ?? "span", { textContent: score.text });
}
