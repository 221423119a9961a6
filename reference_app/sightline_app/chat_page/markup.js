// The little of Markdown that answers use: paragraphs, fenced code, `code`, and citations such as [2].

const FENCE = /```[^\n]*\n([\s\S]*?)(?:```|$)/g;
const INLINE = /`([^`\n]+)`|\[(\d{1,2})\]/g;

/** Replace what `node` holds by `text`; a citation up to `sources` becomes a button that calls `open(number)`. */
export function show(node, text, sources, open) {
  const parts = [];
  let end = 0;
  for (const fence of text.matchAll(FENCE)) {
    parts.push(...paragraphs(text.slice(end, fence.index), sources, open));
    const block = document.createElement("pre");
    block.textContent = fence[1].trimEnd();
    parts.push(block);
    end = fence.index + fence[0].length;
  }
  parts.push(...paragraphs(text.slice(end), sources, open));
  node.replaceChildren(...parts);
}

function paragraphs(text, sources, open) {
  return text
    .split(/\n{2,}/)
    .filter((each) => each.trim())
    .map((each) => {
      const paragraph = document.createElement("p");
      paragraph.append(...inline(each.trim(), sources, open));
      return paragraph;
    });
}

function inline(text, sources, open) {
  const parts = [];
  let end = 0;
  for (const hit of text.matchAll(INLINE)) {
    const number = Number(hit[2]);
    if (hit[2] && !(number >= 1 && number <= sources)) continue;
    parts.push(text.slice(end, hit.index), hit[1] ? code(hit[1]) : citation(number, open));
    end = hit.index + hit[0].length;
  }
  return [...parts, text.slice(end)];
}

function code(text) {
  const node = document.createElement("code");
  node.textContent = text;
  return node;
}

function citation(number, open) {
  const node = document.createElement("button");
  node.type = "button";
  node.className = "citation";
  node.textContent = `[${number}]`;
  node.title = `Passage ${number}`;
  node.addEventListener("click", () => open(number));
  return node;
}
