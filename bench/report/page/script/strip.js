/** The row of thumbnails. One of them is chosen; arrows go to its neighbours. */
class Strip {
  /** `onChoose` gets the image that was clicked or reached by keys. */
  constructor(list, onChoose) {
    this.list = list;
    this.onChoose = onChoose;
    this.images = [];
    list.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (!step) return;
      event.preventDefault();
      this.step(step);
      this.#button(this.chosen)?.focus();
    });
  }

  /** Shows `images` in this order; `captionOf` gives what stands below an id. */
  show(images, captionOf) {
    this.images = images;
    this.list.replaceChildren(...images.map((image) => this.#item(image, captionOf(image))));
    if (this.chosen) this.mark(this.chosen);
  }

  mark(image) {
    this.chosen = image;
    for (const [place, item] of [...this.list.children].entries()) {
      const button = item.firstElementChild;
      const current = this.images[place] === image;
      button.tabIndex = current ? 0 : -1;
      button.ariaCurrent = current ? "true" : null;
    }
    const item = this.#button(image)?.parentElement;
    // Only the strip scrolls: the page stays where the reader is.
    if (item) this.list.scrollLeft = item.offsetLeft - (this.list.clientWidth - item.offsetWidth) / 2;
  }

  /** Chooses a neighbour, round the ends. */
  step(distance) {
    const place = this.images.indexOf(this.chosen) + distance + this.images.length;
    this.onChoose(this.images[place % this.images.length]);
  }

  #button(image) {
    return this.list.children[this.images.indexOf(image)]?.firstElementChild;
  }

  #item(image, caption) {
    const known = image.pictures.at(-1).uri ?? image.pictures.find((picture) => picture.uri)?.uri;
    const thumbnail = known ? element("img", { src: known, alt: "" }) : element("span", { className: "absent" });
    const label = element("span", { textContent: image.id, className: "id" });
    const button = element("button", { type: "button" }, thumbnail, label, caption);
    button.addEventListener("click", () => this.onChoose(image));
    return element("li", {}, button);
  }
}
