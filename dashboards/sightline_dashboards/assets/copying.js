// Copies a text when the button beside it is pressed: pages write both as HTML, which brings no script.
async function copy(event) {
  const button = event.target.closest?.("button[data-copy]"), text = button?.parentElement.querySelector("[data-text]");
  if (!text) return;
  try {
    await navigator.clipboard.writeText(text.textContent);
    button.textContent = "Copied";
    setTimeout(() => { button.textContent = "Copy"; }, 1200);
  } catch {
    getSelection().selectAllChildren(text);  // without https there is no clipboard: the reader copies what is selected
  }
}

export default function () {
  document.addEventListener("click", copy);
  return () => document.removeEventListener("click", copy);
}
