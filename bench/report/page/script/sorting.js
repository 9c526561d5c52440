const OPPOSITE = { ascending: "descending", descending: "ascending" };

/** A click on a header sorts by it, best first; a second one turns the order, a third restores the report's. */
function enableSorting(table) {
  const given = [...table.tBodies].map((body) => [...body.rows]);
  for (const button of table.querySelectorAll("button.sort")) {
    const header = button.closest("th");
    button.addEventListener("click", () => {
      const order = nextOrder(header.ariaSort, button.dataset.first);
      for (const other of header.parentElement.cells) other.removeAttribute("aria-sort");
      if (order) header.ariaSort = order;
      for (const [place, body] of [...table.tBodies].entries()) {
        const rows = given[place];
        body.append(...(order ? sortedRows(rows, header.cellIndex, order, "text" in button.dataset) : rows));
      }
    });
  }
}

function nextOrder(current, first) {
  if (!current) return first;
  return current === first ? OPPOSITE[first] : null;
}

/** Rows by the values of a column: a base stays above what is compared with it, rows without a value come last. */
function sortedRows(rows, column, order, text) {
  const sign = order === "ascending" ? 1 : -1;
  const isBase = (row) => "base" in row.dataset;
  const valued = rows.filter((row) => !isBase(row)).map((row) => ({ row, value: row.cells[column].dataset.value }));
  const compare = text
    ? (a, b) => a.value.localeCompare(b.value, undefined, { numeric: true })
    : (a, b) => Math.sign(Number(a.value) - Number(b.value)) || 0;
  const present = valued.filter(({ value }) => value !== "").sort((a, b) => sign * compare(a, b));
  const missing = valued.filter(({ value }) => value === "");
  return [...rows.filter(isBase), ...[...present, ...missing].map(({ row }) => row)];
}
