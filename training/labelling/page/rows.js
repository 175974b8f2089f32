// Copyright 2026 The mm_perception authors
// SPDX-License-Identifier: Apache-2.0
// Rows of tiles: what to label first, then the groups. A tile is a stretch, a whole group, or a frame.

const rowsElement = document.getElementById('rows');

/** Make an element with properties and children. */
export function make(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

/** What a tile stands for: stretches by number, and the frames that they hold. */
const meanings = new WeakMap();
export const meaning = (tile) => meanings.get(tile);

export const plural = (count, word) => `${count} ${word}${count === 1 ? '' : 's'}`;
export const percent = (share) => `${Math.round(100 * share)}\u00a0%`;

export function picture(layout, recording, frame, modality = 'rgb') {
  const source = `/picture/${layout.sitting}/${recording}/${frame}/${modality}`;
  return make('img', { src: source, alt: '', loading: 'lazy', width: 72, height: 72 });
}

export const face = ({ first, last }) => Math.floor((first + last) / 2);

function tile(kind, meant, ...children) {
  const button = make('button', { type: 'button', className: `tile ${kind}`, tabIndex: -1 }, ...children);
  button.append(make('span', { className: 'label' }), make('span', { className: 'count' }));
  meanings.set(button, meant);
  return button;
}

function stretchTile(layout, number) {
  const stretch = layout.stretches[number];
  const meant = { stretches: [number], group: stretch.group };
  const apart = stretch.disagree
    ? [make('span', { className: 'apart', textContent: '≠', title: 'RGB and depth disagree' })]
    : [];
  return tile('stretch', meant, picture(layout, stretch.recording, face(stretch)), ...apart);
}

function groupTile(layout, group, numbers) {
  const step = Math.max(Math.floor(numbers.length / 4), 1);
  const shown = numbers.filter((_, i) => i % step === 0).slice(0, 4);
  const faces = shown.map((n) => picture(layout, layout.stretches[n].recording, face(layout.stretches[n])));
  const mosaic = make('span', { className: `mosaic of-${faces.length}` }, ...faces);
  return tile('group', { stretches: numbers, group }, mosaic);
}

function row(id, title, tiles) {
  const heading = make('h2', { id: `${id}-title` }, title, make('span', { className: 'quiet' }));
  const strip = make('div', { className: 'strip' }, ...tiles);
  const section = make('section', { id, className: 'row' }, heading, strip);
  section.setAttribute('aria-labelledby', heading.id);
  return section;
}

/** Draw all rows anew, for a new layout. */
export function drawRows(layout) {
  const groups = new Map();
  layout.stretches.forEach((stretch, number) => {
    if (!groups.has(stretch.group)) groups.set(stretch.group, []);
    groups.get(stretch.group).push(number);
  });
  const doubt = (number) => layout.stretches[number].doubt ?? 0;
  const sections = [...groups.keys()].sort((a, b) => a - b).map((group) => {
    const numbers = groups.get(group).sort((a, b) => doubt(b) - doubt(a) || a - b);
    const tiles = [groupTile(layout, group, numbers), ...numbers.map((n) => stretchTile(layout, n))];
    return row(`group-${group}`, `Group ${group + 1}`, tiles);
  });
  rowsElement.replaceChildren(row('queue', 'Label these first', []), ...sections);
}

/** Draw the queue anew; what moves up to the cursor's place in it is the next to label. */
export function drawQueue(layout, state) {
  const queue = document.getElementById('queue');
  const strip = queue.querySelector('.strip');
  const at = [...strip.children].indexOf(current());
  const kept = new Map([...strip.children].map((t) => [meaning(t).stretches[0], t]));
  if (String([...kept.keys()]) === String(state.queue) && !queue.hidden) return;
  strip.replaceChildren(...state.queue.map((n) => kept.get(n) ?? stretchTile(layout, n)));
  queue.querySelector('h2 .quiet').textContent =
    `like many frames, unlike what is labelled${layout.model ? ', and the model is unsure' : ''}`;
  queue.hidden = !state.queue.length;
  if (at >= 0) focusTile(strip.children[Math.min(at, strip.children.length - 1)] ?? firstTile());
}

/** Show on every tile and group what is labelled by now, or what a click would label it as. */
export function showLabels(layout, state, offer) {
  for (const button of rowsElement.querySelectorAll('.tile')) showLabel(button, layout, state, offer);
  for (const section of rowsElement.querySelectorAll('section[id^=group-]')) {
    const { stretches } = meaning(section.querySelector('.tile'));
    const frames = sum(stretches.map((n) => size(layout.stretches[n])));
    const bare = frames - sum(stretches.map((n) => state.labels[n][1]));
    const recordings = new Set(stretches.map((n) => layout.stretches[n].recording)).size;
    const left = bare ? `${bare} without a label` : 'all labelled';
    section.querySelector('h2 .quiet').textContent =
      `${plural(frames, 'frame')} of ${plural(recordings, 'recording')}, ${left}`;
    section.classList.toggle('done', !bare);
  }
}

const sum = (numbers) => numbers.reduce((a, b) => a + b, 0);
const size = ({ first, last }) => last - first + 1;

/** How a tile is labelled: class number or -1, frames with a label, frames, whether they differ. */
export function labelled(button, layout, state) {
  const { stretches, frame } = meaning(button);
  if (frame) return { number: frame.label, done: frame.label < 0 ? 0 : 1, of: 1, mixed: false };
  const told = stretches.map((n) => state.labels[n]);
  const counts = new Map();
  for (const [number, frames] of told) if (number >= 0) counts.set(number, (counts.get(number) ?? 0) + frames);
  const most = [...counts].sort((a, b) => b[1] - a[1])[0];
  const mixed = counts.size > 1 || told.some(([, , differ]) => differ);
  const of = sum(stretches.map((n) => size(layout.stretches[n])));
  return { number: most ? most[0] : -1, done: sum(told.map((t) => t[1])), of, mixed };
}

/** Whether a tile has been left for later, or something of it. */
export const leftOf = (button, state) =>
  meaning(button).stretches.every((n) => state.left.includes(n) || state.labels[n][1])
  && meaning(button).stretches.some((n) => state.left.includes(n));

function showLabel(button, layout, state, offer) {
  const { number, done, of, mixed } = labelled(button, layout, state);
  const offered = done < of ? offer(button) : null;
  // Most tiles are as they were, and there may be thousands.
  const colour = done ? number : state.classes.findIndex((c) => c.name === offered?.name);
  const left = done < of && leftOf(button, state);
  const shown = JSON.stringify([colour, state.classes[number]?.name, done, mixed, offered, left]);
  if (shown === button.shown) return;
  button.shown = shown;
  const label = button.querySelector('.label');
  const made = done ? state.classes[number].name + (mixed ? ' …' : '') : '';
  const guessed = offered?.sure ? `${Math.round(100 * offered.sure)}%` : '?';
  label.className = `label ${done ? 'made' : 'offered'}${offered?.faint ? ' faint' : ''}`;
  // Where only a part has a label, a key may give the rest another.
  const other = made && offered && !offered.faint && offered.name !== state.classes[number].name;
  const words = made ? made + (other ? ` + ${offered.name}?` : '') : (offered?.name ?? '');
  label.replaceChildren(make('span', { className: 'name' }, words));
  if (!made && offered) label.append(make('span', {}, guessed));
  label.style.setProperty('--class', colour);
  const part = done && done < of ? `${done}/${of}` : `${of}`;
  button.querySelector('.count').textContent = meaning(button).frame ? '' : part;
  button.classList.toggle('partly', done > 0 && done < of);
  button.classList.toggle('left', left);
  button.setAttribute('aria-label', described(button, layout, state, { number, done, of, mixed, left }, offered));
}

function described(button, layout, state, { number, done, of, mixed, left }, offered) {
  const { stretches, group, frame } = meaning(button);
  const stretch = layout.stretches[stretches[0]];
  const what = frame
    ? `frame ${frame.index + 1}`
    : button.classList.contains('group')
      ? `all of group ${group + 1}`
      : `${layout.recordings[stretch.recording]} at ${stretch.start.toFixed(1)} s`;
  const apart = button.querySelector('.apart') ? ', RGB and depth disagree' : '';
  const has = done ? `${state.classes[number].name}${mixed ? ' and others' : ''} on ${done}` : 'no label';
  const later = left ? ', left for later' : '';
  return `${what}, ${plural(of, 'frame')}, ${has}${later}${apart}${offered ? `, Enter: ${offered.name}` : ''}`;
}

export const tilesOf = (section) => [...section.querySelectorAll('.tile')];
export const shownRows = () => [...rowsElement.querySelectorAll('.row:not([hidden])')].filter((r) => r.querySelector('.tile'));
export const firstTile = () => shownRows()[0]?.querySelector('.tile') ?? null;

/** The tile at the cursor; of all tiles it alone is reached by Tab. */
export const current = () => rowsElement.querySelector('.tile[tabindex="0"]');

/** Move the cursor to a tile, and the keyboard with it. */
export function focusTile(button) {
  if (!button) return;
  for (const other of rowsElement.querySelectorAll('.tile[tabindex="0"]')) other.tabIndex = -1;
  button.tabIndex = 0;
  button.focus({ preventScroll: true });
  button.closest('.row').scrollIntoView({ block: 'nearest' });
  button.scrollIntoView({ block: 'nearest', inline: 'nearest' });
}

/** Show a stretch's frames one by one in a row of their own, or put them away again. */
export function toggleFrames(button, layout, numbers) {
  const open = document.getElementById('frames');
  const owner = open?.owner;
  open?.remove();
  if (owner && (owner === button || open.contains(button))) {
    return owner.isConnected ? owner : firstTile();
  }
  const stretch = layout.stretches[meaning(button).stretches[0]];
  const tiles = numbers.map((label, index) =>
    tile('frame', { ...meaning(button), frame: { index, label, at: stretch.first + index } },
      picture(layout, stretch.recording, stretch.first + index)));
  const name = layout.recordings[stretch.recording];
  const section = row('frames', `Frames of ${name} from ${stretch.start.toFixed(1)} s`, tiles);
  section.querySelector('h2 .quiet').textContent = 'Shift with arrows selects several, Space closes';
  section.owner = button;
  button.closest('.row').after(section);
  return tiles[0];
}

/** Tell the opened frames their labels. */
export function renewFrames(numbers) {
  const open = document.getElementById('frames');
  if (!open) return;
  tilesOf(open).forEach((t, i) => { meaning(t).frame.label = numbers[i]; });
}
