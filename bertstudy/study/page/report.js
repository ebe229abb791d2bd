// Tables that can be sorted, filtered and searched, and commands that can be copied. Pages are whole without it.
"use strict";

const number = (text) => Number.parseFloat(text.replace(/,/g, "").replace(/−/g, "-"));

function orderOf(cell) {
  const text = cell.dataset.order ?? cell.textContent.trim();
  const value = number(text);
  return Number.isNaN(value) ? text : value;
}

function compared(one, other) {
  if (one === "" || other === "") return (one === "") - (other === ""); // what is missing comes last
  if (typeof one === "number" && typeof other === "number") return one - other;
  return String(one).localeCompare(String(other));
}

function sortBy(table, column, header) {
  const down = header.getAttribute("aria-sort") === "ascending";
  table.querySelectorAll("thead th").forEach((other) => other.removeAttribute("aria-sort"));
  header.setAttribute("aria-sort", down ? "descending" : "ascending");
  const body = table.tBodies[0];
  const lines = [...body.rows].map((row) => ({ row, order: orderOf(row.cells[column]) }));
  lines.sort((one, other) => {
    const missing = (one.order === "") - (other.order === "");
    return missing || compared(one.order, other.order) * (down ? -1 : 1);
  });
  body.append(...lines.map((line) => line.row));
}

function makeSortable(table) {
  [...table.tHead.rows[0].cells].forEach((header, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...header.childNodes);
    header.append(button);
    button.addEventListener("click", () => sortBy(table, column, header));
  });
}

function makeFiltered(form) {
  const table = form.parentElement.querySelector("table[data-sortable]");
  const filters = [...form.querySelectorAll("[data-filter]")];
  const search = form.querySelector("[data-search]");
  function show() {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    let count = 0;
    for (const row of table.tBodies[0].rows) {
      const text = row.textContent.toLowerCase();
      const fits = filters.every((one) => !one.value || row.dataset[one.dataset.filter] === one.value);
      row.hidden = !(fits && words.every((word) => text.includes(word)));
      count += !row.hidden;
    }
    form.querySelector("output").textContent = `${count} of ${table.tBodies[0].rows.length}`;
  }
  form.addEventListener("input", show);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.hidden = false;
  show();
}

document.querySelectorAll("table[data-sortable]").forEach(makeSortable);
document.querySelectorAll("form.filters").forEach(makeFiltered);
document.querySelectorAll("button[data-copy]").forEach((button) => {
  button.hidden = false;
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(button.parentElement.querySelector("code").textContent);
    button.textContent = "copied";
  });
});
