const STEPS = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };

/** Elements with `data-tip` show it under the pointer, the focus or a finger; Escape hides it. */
function enableTips(root, tip) {
  const show = (target) => {
    tip.textContent = target.dataset.tip;
    tip.hidden = false;
    target.setAttribute("aria-describedby", tip.id);
    placeBeside(tip, target.getBoundingClientRect());
  };
  const hide = () => {
    tip.hidden = true;
    root.querySelector("[aria-describedby=tip]")?.removeAttribute("aria-describedby");
  };
  const change = (event) => {
    hide();
    const target = event.target.closest("[data-tip]");
    if (target) show(target);
  };
  root.addEventListener("pointerover", change);
  root.addEventListener("focusin", change);
  root.addEventListener("focusout", hide);
  root.addEventListener("keydown", (event) => { if (event.key === "Escape") hide(); });
  addEventListener("scroll", hide, { capture: true, passive: true });
}

/** Below the box, or above where there is no room, and always inside the window. */
function placeBeside(tip, box) {
  const { width, height } = tip.getBoundingClientRect();
  const left = Math.min(Math.max(8, box.left + box.width / 2 - width / 2), innerWidth - width - 8);
  const below = box.bottom + 6;
  tip.style.left = `${left}px`;
  tip.style.top = `${below + height > innerHeight ? Math.max(8, box.top - height - 6) : below}px`;
}

/** The cells of a table are one stop of the Tab key; arrows move between them. */
function enableArrows(table) {
  const first = table.querySelector("td[data-tip]");
  if (first) first.tabIndex = 0;
  table.addEventListener("keydown", (event) => {
    const cell = event.target.closest("td[data-tip]");
    if (!cell || !(event.key in STEPS)) return;
    const [down, right] = STEPS[event.key];
    const rows = [...table.tBodies].flatMap((body) => [...body.rows]);
    const next = rows[rows.indexOf(cell.parentElement) + down]?.cells[cell.cellIndex + right];
    if (!next?.matches("td[data-tip]")) return;
    event.preventDefault();
    cell.tabIndex = -1;
    next.tabIndex = 0;
    next.focus();
  });
}
