enableCopying(document);
enableTips(document, byId("tip"));
for (const table of document.querySelectorAll("table.sortable")) {
  enableSorting(table);
  enableArrows(table);
}
const sets = JSON.parse(byId("data").textContent);
if (sets.length) new Browser(sets);
