/** The image browser: a strip of images; of the chosen one, two pictures under a divider, its scores, all its pictures. */
class Browser {
  constructor(sets) {
    this.sets = sets;
    this.strip = new Strip(byId("strip"), (image) => this.choose(image));
    this.zoom = new Zoom(byId("zoomed"), byId("tiles"), (zoom) => {
      byId("zoom-level").textContent = `${zoom.scale.toFixed(zoom.scale < 10 ? 1 : 0)}×`;
    });
    fillSelect(byId("test-set"), sets.map((set) => set.name));
    this.#listen();
    byId("browser").hidden = false;
    this.open(sets[0]);
  }

  #listen() {
    const on = (id, kind, action) => byId(id).addEventListener(kind, action);
    on("test-set", "change", () => this.open(this.sets[byId("test-set").selectedIndex]));
    for (const id of ["order", "metric", "method"]) on(id, "change", () => this.arrange());
    on("previous", "click", () => this.strip.step(-1));
    on("next", "click", () => this.strip.step(1));
    for (const side of ["left", "right"]) on(side, "change", () => this.compare());
    on("divider", "input", () => this.divide());
    on("zoom-in", "click", () => this.zoom.by(2));
    on("zoom-out", "click", () => this.zoom.by(0.5));
    on("zoom-reset", "click", () => this.zoom.reset());
    on("difference", "change", () => this.subtract());
    on("gain", "input", () => this.subtract());
  }

  get metric() {
    return this.set.metrics[byId("metric").selectedIndex];
  }

  get method() {
    return this.set.methods[byId("method").selectedIndex];
  }

  /** Shows a test set from its first image on. */
  open(set) {
    this.set = set;
    const labels = set.views.map((view) => view.label);
    const shown = set.views.filter((view) => view.kind === "method");
    const telling = (shown.find((view) => view.family === "hybrid") ?? shown.at(-1) ?? set.views.at(-1)).label;
    fillSelect(byId("metric"), set.metrics.map((metric) => metric.label));
    fillSelect(byId("method"), set.methods.map((method) => method.label), telling);
    fillSelect(byId("left"), labels);
    fillSelect(byId("right"), labels, telling);
    for (const part of document.querySelectorAll("#browser .scored")) part.hidden = !set.metrics.length;
    byId("shown").textContent = set.note;
    this.zoom.reset();
    this.arrange();
    this.choose(this.strip.images[0]);
    this.divide();
  }

  /** Orders the strip by a method's scores, and names every method's worst and best cases by that metric. */
  arrange() {
    const sign = { worst: 1, best: -1 }[byId("order").value];
    const images = [...this.set.images];
    if (sign && this.metric) images.sort((a, b) => compareQuality(this.quality(a), this.quality(b), sign));
    this.strip.show(images, (image) => this.caption(image));
    byId("cases-title").textContent = `Worst and best cases by ${this.metric?.label}`;
    byId("cases").replaceChildren(...casesTable(this.set, this.metric, (image) => this.choose(image)));
  }

  /** The chosen method's score by the chosen metric, NaN where there is none. */
  quality(image) {
    return Number(image.scores[this.metric.name][this.method.label]?.quality ?? NaN);
  }

  caption(image) {
    const score = this.metric && image.scores[this.metric.name][this.method.label];
    return element("span", { textContent: this.metric ? score?.text ?? "n/a" : "", className: "score" });
  }

  choose(image) {
    this.image = image;
    byId("zoomed").style.setProperty("--ratio", image.width / image.height);
    byId("image-title").textContent = image.id;
    byId("remarkable").replaceChildren(...remarks(this.set, image).map((text) => element("li", { textContent: text })));
    byId("scores").replaceChildren(...scoreTable(this.set, image));
    byId("tiles").replaceChildren(...this.set.views.map((view, place) => tile(this.set, image, view, place)));
    this.strip.mark(image);
    this.compare();
    this.subtract();
  }

  /** Puts the two chosen pictures under the divider. */
  compare() {
    for (const side of ["left", "right"]) {
      const view = byId(side).selectedIndex;
      byId(`slider-${side}`).replaceChildren(picture(this.image.pictures[view], this.set.views[view].label));
      byId(`${side}-label`).textContent = this.set.views[view].label;
    }
  }

  divide() {
    const share = byId("divider").value;
    byId("slider").style.setProperty("--divider", `${share}%`);
    byId("divider").setAttribute("aria-valuetext", `${Math.round(share)} % ${byId("left").value}`);
  }

  /** Shows each tile's absolute difference to the ground truth, brightened, or the picture itself. */
  subtract() {
    const wanted = byId("difference").checked;
    const gain = byId("gain").value;
    const truth = this.image.pictures.at(-1);
    byId("gain").disabled = !wanted;
    byId("gain-level").textContent = gain;
    byId("tiles").style.setProperty("--gain", wanted ? gain : 1);
    for (const layer of document.querySelectorAll("#tiles .layer")) {
      layer.querySelector(".truth")?.remove();
      if (wanted && truth.uri) layer.append(element("img", { src: truth.uri, alt: "", className: "truth" }));
    }
  }
}

/** Of two qualities, either of which may be missing (NaN) and is then last. */
function compareQuality(a, b, sign) {
  if (Number.isNaN(a) || Number.isNaN(b)) return Number.isNaN(a) - Number.isNaN(b);
  return a === b ? 0 : sign * Math.sign(a - b);
}
