"use strict";
(() => {
  const value = (row, column) => {
    const cell = row.cells[column];
    const text = cell.textContent.trim();
    const number = Number(cell.dataset.v ?? (text === "" ? NaN : text.replaceAll(",", "")));
    return { text, number };
  };
  const compare = (one, other, sign) => {
    const known = [!Number.isNaN(one.number), !Number.isNaN(other.number)];
    if (known[0] && known[1]) return sign * (one.number - other.number);
    if (known[0] !== known[1]) return known[0] ? -1 : 1;
    return sign * one.text.localeCompare(other.text, undefined, { numeric: true });
  };
  const sort = (table, column) => {
    const heads = table.tHead.rows[0].cells;
    const falls = heads[column].getAttribute("aria-sort") === "ascending";
    for (const head of heads) head.removeAttribute("aria-sort");
    heads[column].setAttribute("aria-sort", falls ? "descending" : "ascending");
    const body = table.tBodies[0];
    const rows = Array.from(body.rows, (row) => [row, value(row, column)]);
    rows.sort((one, other) => compare(one[1], other[1], falls ? -1 : 1));
    body.append(...rows.map((pair) => pair[0]));
  };
  for (const table of document.querySelectorAll("table.sorts")) {
    for (const [column, head] of Array.from(table.tHead.rows[0].cells).entries()) {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...head.childNodes);
      button.addEventListener("click", () => sort(table, column));
      head.append(button);
    }
  }
  for (const link of document.querySelectorAll("a.json")) {
    const data = link.parentElement.nextElementSibling.textContent;
    link.addEventListener("click", () => {
      link.href = URL.createObjectURL(new Blob([data], { type: "application/json" }));
    });
    link.hidden = false;
  }
  const opened = [];
  addEventListener("beforeprint", () => {
    for (const part of document.querySelectorAll("#made details:not([open])")) {
      part.open = true;
      opened.push(part);
    }
  });
  addEventListener("afterprint", () => {
    for (const part of opened.splice(0)) part.open = false;
  });
})();
