const LARGEST = 32;
const STEP = 1.25;
const SCROLLING = 300;

/**
 * One zoom for many frames of the same shape. Offsets are fractions of a frame, so that frames of any size agree: the
 * point p of a picture lies at offset + scale * p of its frame.
 */
class Zoom {
  scale = 1;
  x = 0;
  y = 0;
  #fingers = new Map();
  #scrolled = -Infinity;

  /** `root` holds all frames; those in `grid` can also be dragged, and it takes the keys. */
  constructor(root, grid, onChange) {
    this.root = root;
    this.grid = grid;
    this.onChange = onChange;
    root.addEventListener("wheel", (event) => this.#wheel(event), { passive: false });
    root.addEventListener("load", () => this.#sharpen(), { capture: true });
    new ResizeObserver(() => this.#sharpen()).observe(root);
    addEventListener("scroll", () => { this.#scrolled = performance.now(); }, { passive: true });
    grid.addEventListener("keydown", (event) => this.#key(event));
    grid.addEventListener("pointerdown", (event) => this.#press(event));
    grid.addEventListener("pointermove", (event) => this.#drag(event));
    for (const end of ["pointerup", "pointercancel"]) grid.addEventListener(end, (event) => this.#release(event));
    this.reset();
  }

  reset() {
    this.#set(1, 0, 0);
  }

  /** Enlarges by `factor` about a point of the frame (fractions). */
  by(factor, px = 0.5, py = 0.5) {
    const scale = Math.min(LARGEST, Math.max(1, this.scale * factor));
    const ratio = scale / this.scale;
    this.#set(scale, px - (px - this.x) * ratio, py - (py - this.y) * ratio);
  }

  /** Moves the pictures, by fractions of a frame. */
  move(dx, dy) {
    this.#set(this.scale, this.x + dx, this.y + dy);
  }

  #set(scale, x, y) {
    const inside = (offset) => Math.min(0, Math.max(1 - scale, offset));
    Object.assign(this, { scale, x: inside(x), y: inside(y) });
    for (const name of ["scale", "x", "y"]) this.root.style.setProperty(`--${name}`, this[name]);
    this.root.classList.toggle("enlarged", scale > 1);
    this.#sharpen();
    this.onChange(this);
  }

  /** Enlarged pictures show their pixels, reduced ones are smoothed. */
  #sharpen() {
    for (const image of this.root.querySelectorAll(".layer img")) {
      const drawn = image.clientWidth * this.scale * devicePixelRatio;
      image.classList.toggle("pixels", drawn > image.naturalWidth);
    }
  }

  #wheel(event) {
    const frame = event.target.closest(".frame");
    const now = performance.now();
    // A page that is being scrolled is not stopped by a picture that comes under the pointer.
    const passing = now - this.#scrolled < SCROLLING && !event.ctrlKey;
    const outwards = event.deltaY > 0 && this.scale === 1;
    if (!frame || passing || (outwards && !event.ctrlKey)) return;
    event.preventDefault();
    const [px, py] = fractionOf(frame, event.clientX, event.clientY);
    this.by(STEP ** Math.max(-2, Math.min(2, -event.deltaY / 50)), px, py);
  }

  #key(event) {
    const actions = {
      "+": () => this.by(STEP), "=": () => this.by(STEP), "-": () => this.by(1 / STEP), 0: () => this.reset(),
      ArrowLeft: () => this.move(0.1, 0), ArrowRight: () => this.move(-0.1, 0),
      ArrowUp: () => this.move(0, 0.1), ArrowDown: () => this.move(0, -0.1),
    };
    const arrow = event.key.startsWith("Arrow");
    if (!(event.key in actions) || event.ctrlKey || event.metaKey || (arrow && this.scale === 1)) return;
    event.preventDefault();
    actions[event.key]();
  }

  #press(event) {
    const frame = event.target.closest(".frame");
    if (!frame || event.button !== 0) return;
    frame.setPointerCapture(event.pointerId);
    this.#fingers.set(event.pointerId, { frame, x: event.clientX, y: event.clientY });
  }

  /** One finger moves the pictures; of two, the moving one also zooms about the other. */
  #drag(event) {
    const finger = this.#fingers.get(event.pointerId);
    if (!finger) return;
    const other = [...this.#fingers.values()].find((found) => found !== finger);
    const { clientWidth, clientHeight } = finger.frame;
    const before = { x: finger.x, y: finger.y };
    Object.assign(finger, { x: event.clientX, y: event.clientY });
    if (!other) {
      this.move((finger.x - before.x) / clientWidth, (finger.y - before.y) / clientHeight);
      return;
    }
    const apart = (point) => Math.max(1, Math.hypot(point.x - other.x, point.y - other.y));
    this.by(apart(finger) / apart(before), ...fractionOf(other.frame, other.x, other.y));
  }

  #release(event) {
    this.#fingers.delete(event.pointerId);
  }
}

function fractionOf(frame, x, y) {
  const box = frame.getBoundingClientRect();
  return [(x - box.left) / box.width, (y - box.top) / box.height];
}
