/** A picture, or why there is none. */
function picture(found, label) {
  if (found.uri) return element("img", { src: found.uri, alt: label, draggable: false });
  return element("p", { className: "absent", textContent: `${label} is missing: ${found.missing}` });
}

/** One picture of the grid with its scores. */
function tile(set, image, view, place) {
  const layer = element("div", { className: "layer" }, picture(image.pictures[place], view.label));
  const frame = element("div", { className: "frame" }, layer);
  const name = element("span", { className: "name" }, view.family ? glyphOf(view.family) : "", " ", view.label);
  const scores = element("span", { className: "tile-scores" });
  for (const metric of view.method ? set.metrics : []) {
    const score = image.scores[metric.name][view.method];
    if (score) scores.append(element("span", {}, `${metric.label} `, markedScore(score)), " ");
  }
  return element("figure", { className: view.kind === "part" ? "tile part" : "tile" }, frame, element("figcaption", {}, name, scores));
}

/** Head and body of the table of an image's scores. */
function scoreTable(set, image) {
  const arrows = { up: "↑", down: "↓" };
  const column = (label, className = "") => element("th", { scope: "col", textContent: label, className });
  const head = element("tr", {}, column("Method", "label"));
  head.append(...set.metrics.map((metric) => column(`${metric.label} ${arrows[metric.direction]}`)));
  const rows = set.methods.map((method) => {
    const label = element("th", { scope: "row", className: "label" }, glyphOf(method.family), " ", method.label);
    const cells = set.metrics.map((metric) => markedScore(image.scores[metric.name][method.label]));
    return element("tr", {}, label, ...cells.map((cell) => element("td", {}, cell)));
  });
  return [element("thead", {}, head), element("tbody", {}, ...rows)];
}

/** What an image is the extreme of, in the whole test set: "worst PSNR: nafnet, ugpnet". */
function remarks(set, image) {
  return set.metrics.flatMap((metric) => ["worst", "best"].flatMap((end) => {
    const of = set.extremes.filter((found) => found.metric === metric.name && found[end] === image.id);
    return of.length ? [`${end} ${metric.label}: ${of.map((found) => found.method).join(", ")}`] : [];
  }));
}
