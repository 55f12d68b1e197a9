// What every module needs of the page.

export const byId = (id) => document.getElementById(id);

export function make(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

// Only what differs is written: a text that is set again would move the reader's selection.
export function say(id, text) {
  const element = byId(id);
  if (element.textContent !== text) element.textContent = text;
}
