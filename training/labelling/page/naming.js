// Copyright 2026 The mm_perception authors
// SPDX-License-Identifier: Apache-2.0
// The box in which a class is typed: known ones are offered, whatever else is typed is a new one.

import { make } from './rows.js';

const dialog = document.getElementById('naming');
const input = document.getElementById('name');
const list = document.getElementById('names');

let known = [];
let offered = [];
let marked = 0;
let finish = () => {};

function draw() {
  const typed = input.value.trim();
  const begins = (name) => name.toLowerCase().startsWith(typed.toLowerCase());
  const exact = known.filter((name) => name === typed);
  const likely = known.filter((name) => name !== typed && begins(name));
  const fresh = typed && !exact.length ? [typed] : [];
  offered = [...exact, ...likely, ...fresh];
  marked = Math.min(marked, Math.max(offered.length - 1, 0));
  list.replaceChildren(
    ...offered.map((name, i) => {
      const words = known.includes(name) ? [name] : [make('em', {}, 'new: '), name];
      const item = make('li', { id: `name-${i}`, role: 'option', onclick: () => end(name) }, ...words);
      item.setAttribute('aria-selected', String(i === marked));
      return item;
    }),
  );
  if (offered.length) input.setAttribute('aria-activedescendant', `name-${marked}`);
  else input.removeAttribute('aria-activedescendant');
}

function end(name) {
  const tell = finish;
  finish = () => {};
  dialog.close();
  tell(name);
}

input.addEventListener('input', () => {
  marked = 0;
  draw();
});

input.addEventListener('keydown', (event) => {
  if (event.key === 'ArrowDown' || event.key === 'ArrowUp') {
    event.preventDefault();
    const step = event.key === 'ArrowDown' ? 1 : -1;
    marked = (marked + step + offered.length) % Math.max(offered.length, 1);
    draw();
  } else if (event.key === 'Enter') {
    event.preventDefault();
    event.stopPropagation(); // this Enter is not the page's, too
    if (offered[marked]) end(offered[marked]);
  }
});

dialog.addEventListener('close', () => end(null));

/** Ask for a class; gives its name, or null. */
export function askName(classes, begun) {
  known = classes;
  marked = 0;
  input.value = begun;
  draw();
  dialog.showModal();
  input.setSelectionRange(begun.length, begun.length);
  return new Promise((resolve) => {
    finish = resolve;
  });
}
