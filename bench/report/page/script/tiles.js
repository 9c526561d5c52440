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
