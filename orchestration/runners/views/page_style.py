# SPDX-License-Identifier: Apache-2.0
"""How pages look, and what little they do when clicked. Nothing comes from outside."""

from __future__ import annotations

#: All rules begin with the view's own class, so that a notebook's other cells stay as they are.
STYLE = """
.penstock-view { font: 14px/1.45 system-ui, "DejaVu Sans", sans-serif; color: #1d2430;
  background: #fff; padding: .6rem .9rem .9rem; max-width: 1180px; text-align: left;
  color-scheme: light }
.penstock-view h2, .penstock-view h3 { overflow-wrap: anywhere; color: #1d2430;
  font-weight: 600; font-size: 1.25rem; margin: .2rem 0 }
.penstock-view h3 { font-size: 1rem; margin: 1rem 0 .3rem }
.penstock-view p { margin: .25rem 0; overflow-wrap: anywhere }
.penstock-view .sub, .penstock-view .dim { color: #5a6675; font-size: 12.5px;
  overflow-wrap: anywhere }
.penstock-view .fine { color: #226b3c } .penstock-view .warning { color: #8a5a00 }
.penstock-view .error { color: #b3261e; font-weight: 600 }
.penstock-view .grid { overflow: auto; max-height: 540px; border: 1px solid #dde3ea;
  border-radius: 6px; margin: .3rem 0 }
.penstock-view table { border-collapse: collapse; font-size: 13px; margin: 0; width: 100%;
  border: 0; color: #1d2430; table-layout: auto; background: #fff }
.penstock-view .grid th, .penstock-view .grid td { text-align: left; padding: .3rem .6rem;
  border: 0; border-bottom: 1px solid #e8ecf1; vertical-align: top; max-width: 26rem;
  overflow-wrap: break-word; white-space: normal; background: #fff }
.penstock-view .grid th { background: #f4f6f8; position: sticky; top: 0; white-space: nowrap;
  z-index: 1 } .penstock-view .grid th.long { white-space: normal; overflow-wrap: anywhere;
  min-width: 8rem; max-width: 16rem }
.penstock-view .grid td.number, .penstock-view .grid th.number { text-align: right;
  font-variant-numeric: tabular-nums } .penstock-view .grid td.number { white-space: nowrap }
.penstock-view table.many { width: max-content; min-width: 100% }
.penstock-view .grid td.none { color: #97a1ad; font-style: italic }
.penstock-view[data-live] th { cursor: pointer; user-select: none }
.penstock-view th[aria-sort="ascending"]::after { content: " \\25B2"; font-size: 9px }
.penstock-view th[aria-sort="descending"]::after { content: " \\25BC"; font-size: 9px }
.penstock-view input { font: inherit; font-size: 13px; padding: .2rem .5rem; margin: .2rem .6rem
  .2rem 0; width: 16rem; max-width: 100%; border: 1px solid #c3ccd6; border-radius: 5px;
  background: #fff; color: #1d2430 } .penstock-view input::placeholder { color: #6b7683;
  opacity: 1 }
.penstock-view dl { display: grid; grid-template-columns: fit-content(40%) 1fr; gap: .15rem 1rem;
  margin: .4rem 0; font-size: 13px } .penstock-view dt { color: #5a6675; margin: 0;
  font-weight: 400; overflow-wrap: anywhere }
.penstock-view dl dt, .penstock-view dl dd { float: none; width: auto; padding: 0 }
.penstock-view dd { margin: 0; overflow-wrap: anywhere; white-space: pre-line }
.penstock-view pre { background: #f4f6f8; color: #1d2430; padding: .6rem .8rem; font-size: 12px;
  border-radius: 6px; overflow: auto; max-height: 420px; white-space: pre-wrap;
  overflow-wrap: anywhere; margin: .3rem 0 }
.penstock-view details { margin: .5rem 0; border-top: 1px solid #e8ecf1; padding-top: .35rem }
.penstock-view summary { cursor: pointer; font-weight: 600; overflow-wrap: anywhere }
.penstock-view .key { margin: .3rem 0; color: #44505f; font-size: 12.5px }
.penstock-view svg { max-width: 100%; height: auto; display: block }
.penstock-view svg.wide { max-width: none } .penstock-view svg.spark { width: 120px; height: 26px }
div.penstock-view + div.penstock-view { border-top: 2px solid #dde3ea; margin-top: .8rem }
nav.penstock-view ul { columns: 3; margin: 0; padding-left: 1.2rem; font-size: 13px }
.penstock-view a { color: #2f5d8a }
.penstock-view .draw { overflow-x: auto } p.untrusted { display: none }
.penstock-view img.drawn { max-width: 100%; height: auto; display: block; margin: 0 }
.penstock-view img.wide { max-width: none } .penstock-view img.spark { width: 120px; height: 26px }
.penstock-view iframe { width: 100%; height: 560px;
  border: 1px solid #dde3ea; border-radius: 6px; background: #fff }
"""

#: Tables sort by the column whose heading is clicked, and long ones can be searched.
SCRIPT = """
(function () {
  function value(cell) {
    var raw = cell.getAttribute("data-value");
    return raw === null ? cell.textContent.trim().toLowerCase() : parseFloat(raw);
  }
  function compare(a, b) {
    var x = value(a), y = value(b), nx = typeof x === "number", ny = typeof y === "number";
    if (nx && ny) return x - y;
    if (nx !== ny) return nx ? -1 : 1;
    return x < y ? -1 : x > y ? 1 : 0;
  }
  function sortable(table) {
    var heads = table.tHead.rows[0].cells;
    Array.prototype.forEach.call(heads, function (head, column) {
      head.tabIndex = 0;
      function sort() {
        var down = head.getAttribute("aria-sort") === "ascending" ? -1 : 1;
        Array.prototype.forEach.call(heads, function (h) { h.removeAttribute("aria-sort"); });
        head.setAttribute("aria-sort", down === 1 ? "ascending" : "descending");
        var body = table.tBodies[0], rows = Array.prototype.slice.call(body.rows);
        rows.sort(function (a, b) {
          var x = a.cells[column], y = b.cells[column];
          var xe = x.classList.contains("none"), ye = y.classList.contains("none");
          if (xe !== ye) return xe ? 1 : -1;
          return down * compare(x, y);
        });
        rows.forEach(function (row) { body.appendChild(row); });
      }
      head.addEventListener("click", sort);
      head.addEventListener("keydown", function (e) { if (e.key === "Enter") sort(); });
    });
  }
  function searchable(grid, table) {
    if (table.tBodies[0].rows.length < 8) return;
    var box = document.createElement("input"), left = document.createElement("span");
    box.type = "search"; box.placeholder = "filter rows"; left.className = "dim";
    box.setAttribute("aria-label", "filter rows");
    grid.parentNode.insertBefore(box, grid); grid.parentNode.insertBefore(left, grid);
    box.addEventListener("input", function () {
      var wanted = box.value.toLowerCase(), shown = 0, rows = table.tBodies[0].rows;
      Array.prototype.forEach.call(rows, function (row) {
        var fits = row.textContent.toLowerCase().indexOf(wanted) >= 0;
        row.style.display = fits ? "" : "none"; shown += fits ? 1 : 0;
      });
      left.textContent = wanted ? shown + " of " + rows.length + " rows" : "";
    });
  }
  function inlined(image) {
    // Only within the page do parts of a drawing say what they are when pointed at.
    var text = decodeURIComponent(image.src.slice(image.src.indexOf(",") + 1));
    var made = new DOMParser().parseFromString(text, "image/svg+xml").documentElement;
    if (made.nodeName === "svg") image.replaceWith(document.importNode(made, true));
  }
  document.querySelectorAll(".penstock-view:not([data-live])").forEach(function (view) {
    view.setAttribute("data-live", "");
    view.querySelectorAll("img.drawn").forEach(inlined);
    view.querySelectorAll(".draw").forEach(function (drawing) {
      // Of a wide graph, the middle: there it begins.
      drawing.scrollLeft = (drawing.scrollWidth - drawing.clientWidth) / 2;
    });
    view.querySelectorAll(".grid").forEach(function (grid) {
      var table = grid.querySelector("table");
      sortable(table); searchable(grid, table);
    });
  });
})();
"""
