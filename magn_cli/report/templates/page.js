"use strict";

/* Tables: each header becomes a button that sorts by its column. */
for (const table of document.querySelectorAll("table.sorts")) {
  const headers = [...table.tHead.rows[0].cells];
  headers.forEach((header, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...header.childNodes);
    header.append(button);
    button.addEventListener("click", () => {
      const descending = header.getAttribute("aria-sort") === "ascending";
      headers.forEach((other) => other.removeAttribute("aria-sort"));
      header.setAttribute("aria-sort", descending ? "descending" : "ascending");
      sort(table.tBodies[0], column, descending ? -1 : 1);
    });
  });
}

function sort(body, column, sign) {
  const value = (row) => row.cells[column].dataset.value;
  const isText = [...body.rows].some((row) => Number.isNaN(Number(value(row))));
  const compare = isText
    ? (a, b) => value(a).localeCompare(value(b), undefined, { numeric: true })
    : (a, b) => Number(value(a)) - Number(value(b)) || 0;
  body.append(...[...body.rows].sort((a, b) => sign * compare(a, b)));
}

/* Pictures: the states, side by side without this script, are laid on each other with a divider between two. */
const toolbar = document.querySelector(".toolbar");
if (toolbar) {
  const [left, right] = ["left", "right"].map((id) => document.getElementById(id));
  const cards = [...document.querySelectorAll(".picture")].map(build);
  const choose = () => cards.forEach((show) => show(left.value, right.value));
  toolbar.hidden = false;
  toolbar.addEventListener("submit", (event) => event.preventDefault());
  left.addEventListener("change", choose);
  right.addEventListener("change", choose);
  for (const radio of toolbar.elements.zoom) {
    radio.addEventListener("change", () => document.body.style.setProperty("--zoom", radio.value));
  }
  const marks = document.getElementById("marks");
  marks.addEventListener("change", () => document.body.classList.toggle("unmarked", !marks.checked));
  choose();
}

function build(card) {
  const name = card.querySelector("h3").textContent;
  const images = [...card.querySelectorAll("img")];
  const viewer = document.getElementById("viewer").content.cloneNode(true).firstElementChild;
  const part = (selector) => viewer.querySelector(selector);
  const [stage, frame, range, spoken] = [".stage", ".frame", "input", ".visually-hidden"].map(part);
  part(".layers").append(...images);
  card.querySelectorAll(".region").forEach((region, i, all) => {
    enlarge(region, images, part(".layers"), all.length > 1 ? i + 1 : null);
  });
  card.querySelector(".states").replaceWith(viewer);

  let between = ["", ""];
  const split = (percent) => {
    viewer.style.setProperty("--split", percent);
    range.value = percent;
    range.setAttribute("aria-valuetext", `${Math.round(percent)} % ${between[0]}`);
  };
  range.addEventListener("input", () => split(range.valueAsNumber));
  stage.addEventListener("scroll", () => viewer.style.setProperty("--scrolled", stage.scrollLeft), { passive: true });

  const drag = (event) => {
    const box = frame.getBoundingClientRect();
    split(Math.min(Math.max(((event.clientX - box.left) / box.width) * 100, 0), 100));
  };
  frame.addEventListener("pointerdown", (event) => {
    // A finger moves the picture, unless it takes the grip.
    const onGrip = event.target === part(".grip");
    const onScrollbar = event.target === stage;
    if (event.button !== 0 || onScrollbar || (event.pointerType === "touch" && !onGrip)) return;
    event.preventDefault();
    range.focus({ preventScroll: true });
    frame.setPointerCapture(event.pointerId);
    drag(event);
  });
  frame.addEventListener("pointermove", (event) => {
    if (frame.hasPointerCapture(event.pointerId)) drag(event);
  });

  return (...labels) => {
    const chosen = labels.map((label, i) => images.find((image) => image.dataset.state === label) ?? images.at(-i));
    images.forEach((image) => {
      image.classList.toggle("left", image === chosen[0]);
      image.classList.toggle("right", image === chosen[1]);
    });
    between = chosen.map((image) => image.dataset.state);
    spoken.textContent = `Divider between ${between[0]} and ${between[1]} of ${name}`;
    [...part(".names").children].forEach((span, i) => {
      const note = document.createElement("b");
      note.textContent = chosen[i].dataset.note;
      span.replaceChildren(`${between[i]} `, note);
    });
    split(range.valueAsNumber);
  };
}

/* A region becomes a mark on the picture and the same part of each state, enlarged. */
function enlarge(region, images, layers, number) {
  const { x, y, width, height } = region.dataset;
  const place = { "--x": x, "--y": y, "--cw": width, "--ch": height };
  const put = (element) => Object.entries(place).forEach(([name, value]) => element.style.setProperty(name, value));
  const mark = document.createElement("div");
  mark.className = "mark";
  if (number) mark.dataset.number = number;
  put(mark);
  layers.append(mark);
  for (const item of region.querySelectorAll("li")) {
    const image = images.find((one) => one.dataset.state === item.dataset.state).cloneNode();
    const crop = document.createElement("div");
    crop.className = "crop";
    put(crop);
    image.alt = `${image.alt}, enlarged`;
    crop.append(image);
    item.prepend(crop);
  }
}
