// A file that was asked for: handed to the browser once, under its name.
const taken = new Set();

export default function (component) {
  const { data, parentElement } = component;
  const root = parentElement.querySelector(".root");
  if (!data || taken.has(data.id)) return;
  taken.add(data.id);
  const bytes = Uint8Array.from(atob(data.base64), (character) => character.charCodeAt(0));
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([bytes], { type: data.type }));
  link.download = data.name;
  root.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(link.href), 60000);
}
