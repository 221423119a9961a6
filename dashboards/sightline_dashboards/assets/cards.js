// Cards: label, value, change, note, sparkline. All text goes in as text, never as markup.
const SVG = "http://www.w3.org/2000/svg";

function element(tag, className, text) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (text !== undefined && text !== null) node.textContent = text;
  return node;
}

function sparkline(values) {
  const known = values.filter((v) => v !== null);
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 100 22");
  svg.setAttribute("preserveAspectRatio", "none");
  svg.setAttribute("aria-hidden", "true");
  if (known.length < 2) return svg;
  const low = Math.min(0, ...known), high = Math.max(...known) || 1;
  const x = (i) => (i / (values.length - 1)) * 100, y = (v) => 20 - ((v - low) / (high - low || 1)) * 18;
  let line = "", area = "", open = false, last = 0;
  values.forEach((v, i) => {
    if (v === null) { if (open) area += `L${last} 22Z`; open = false; return; }
    line += `${open ? "L" : "M"}${x(i)} ${y(v)}`;
    area += open ? `L${x(i)} ${y(v)}` : `M${x(i)} 22L${x(i)} ${y(v)}`;
    open = true; last = x(i);
  });
  if (open) area += `L${last} 22Z`;
  for (const [name, d] of [["area", area], ["spark", line]]) {
    const path = document.createElementNS(SVG, "path");
    path.setAttribute("class", name);
    path.setAttribute("d", d);
    svg.appendChild(path);
  }
  return svg;
}

export default function (component) {
  const { data, parentElement, setTriggerValue } = component;
  const root = parentElement.querySelector(".root");
  const grid = element("div", "grid");
  for (const card of data.cards) {
    const box = element(card.href ? "a" : "div", "card");
    if (card.href) {
      box.href = card.href;
      box.onclick = (event) => {
        if (event.metaKey || event.ctrlKey || event.shiftKey) return;
        event.preventDefault();
        setTriggerValue("open", card.page);
      };
    }
    if (card.hint) box.title = card.hint;
    box.appendChild(element("div", "label", card.label));
    const line = element("div", "line");
    line.appendChild(element("span", card.value === "unknown" ? "value unknown" : "value", card.value));
    if (card.change) line.appendChild(element("span", `change ${card.tone}`, card.change));
    box.appendChild(line);
    box.appendChild(element("div", "note", card.note || "\u00a0"));
    if (card.spark.length) box.appendChild(sparkline(card.spark));
    grid.appendChild(box);
  }
  root.replaceChildren(grid);
}
