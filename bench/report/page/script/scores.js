const headers = (...labels) =>
  element("thead", {}, element("tr", {}, ...labels.map((label, place) =>
    element("th", { scope: "col", textContent: label, className: place ? "" : "label" }))));

function methodRow(method, cells) {
  const label = element("th", { scope: "row", className: "label" }, glyphOf(method.family), " ", method.label);
  return element("tr", {}, label, ...cells.map((cell) => element("td", {}, cell)));
}

/** Head and body of the table of an image's scores. */
function scoreTable(set, image) {
  const arrows = { up: "↑", down: "↓" };
  const labels = set.metrics.map((metric) => `${metric.label} ${arrows[metric.direction]}`);
  const rows = set.methods.map((method) =>
    methodRow(method, set.metrics.map((metric) => markedScore(image.scores[metric.name][method.label]))));
  return [headers("Method", ...labels), element("tbody", {}, ...rows)];
}

/** Head and body of the table of every method's extremes in the whole test set; `onChoose` gets the clicked image. */
function casesTable(set, metric, onChoose) {
  const rows = set.extremes.filter((found) => found.metric === metric?.name).map((found) => {
    const method = set.methods.find(({ label }) => label === found.method);
    return methodRow(method, [caseButton(set, found.worst, onChoose), caseButton(set, found.best, onChoose)]);
  });
  return [headers("Method", "worst", "best"), element("tbody", {}, ...rows)];
}

function caseButton(set, { id, text }, onChoose) {
  const image = set.images.find((known) => known.id === id);
  const parts = [element("span", { textContent: text }), " ", element("small", { textContent: id })];
  const title = image ? "show this image" : "not among the images of this page";
  const button = element("button", { type: "button", className: "case", disabled: !image, title }, ...parts);
  button.addEventListener("click", () => onChoose(image));
  return button;
}

/** What an image is the extreme of, in the whole test set: "worst PSNR: nafnet, ugpnet". */
function remarks(set, image) {
  return set.metrics.flatMap((metric) => ["worst", "best"].flatMap((end) => {
    const of = set.extremes.filter((found) => found.metric === metric.name && found[end].id === image.id);
    return of.length ? [`${end} ${metric.label}: ${of.map((found) => found.method).join(", ")}`] : [];
  }));
}
