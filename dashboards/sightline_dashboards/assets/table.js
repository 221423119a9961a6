// A table whose rows are links and whose headers sort. All text goes in as text, never as markup.
function element(tag, className, text) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (text !== undefined && text !== null) node.textContent = text;
  return node;
}

export default function (component) {
  const { data, parentElement, setTriggerValue } = component;
  const root = parentElement.querySelector(".root");
  const table = element("table"), head = element("tr"), body = element("tbody");
  for (const column of data.columns) {
    const sorted = data.sort && data.sort.key === column.sort;
    const cell = element("th", `${column.number ? "number " : ""}${column.sort ? "sortable " : ""}${sorted ? "sorted" : ""}`);
    cell.scope = "col";
    if (column.sort) {
      const button = element("button", "", `${column.label}${sorted ? (data.sort.descending ? " ↓" : " ↑") : ""}`);
      button.onclick = () => setTriggerValue("sort", column.sort);
      cell.setAttribute("aria-sort", sorted ? (data.sort.descending ? "descending" : "ascending") : "none");
      cell.appendChild(button);
    } else {
      cell.textContent = column.label;
    }
    if (column.hint) cell.title = column.hint;
    head.appendChild(cell);
  }
  for (const row of data.rows) {
    const line = element("tr", row.open ? "link" : "");
    const open = (event) => {
      if (event.metaKey || event.ctrlKey || event.shiftKey) return;
      event.preventDefault();
      setTriggerValue("open", row.open);
    };
    row.cells.forEach((value, i) => {
      const column = data.columns[i];
      const tone = row.tones && row.tones[i] ? row.tones[i] : value === "unknown" ? "unknown" : "";
      const cell = element("td", `${column.number ? "number " : ""}${column.mono ? "mono " : ""}${column.wrap ? "wrap " : ""}${tone}`);
      if (column.colour && row.colour) {
        const mark = element("span", "bar");
        mark.style.background = row.colour;
        mark.style.width = "8px";
        cell.appendChild(mark);
      }
      if (row.open && column.link) {
        const link = element("a", "", value);
        link.href = row.href;
        link.onclick = (event) => { event.stopPropagation(); open(event); };
        cell.appendChild(link);
      } else {
        cell.appendChild(document.createTextNode(value));
      }
      cell.title = (row.titles && row.titles[i]) || value;
      line.appendChild(cell);
    });
    if (row.open) line.onclick = open;
    body.appendChild(line);
  }
  const thead = element("thead");
  thead.appendChild(head);
  table.append(thead, body);
  const scroll = element("div", "scroll");
  scroll.appendChild(table);
  if (!data.rows.length) scroll.appendChild(element("div", "empty", data.empty));
  root.replaceChildren(scroll);
}
