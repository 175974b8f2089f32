// Copyright 2026 The mm_perception authors
// SPDX-License-Identifier: Apache-2.0
// The page's state, and what a key or a click does to it.

import { Silent, get, post } from './api.js';
import { askName } from './naming.js';
import {
  current, drawQueue, drawRows, firstTile, focusTile, labelled, leftOf, meaning, plural, renewFrames,
  showLabels, shownRows, tilesOf, toggleFrames,
} from './rows.js';
import { showClasses, showModel, showPreview } from './side.js';

const at = (id) => document.getElementById(id);
const BUSY = 700; // ms between two looks at the server while it trains
const IDLE = 4000;

let layout = null;
let state = null;
let brush = null; // the class that every click labels with, if one was chosen
let last = null; // the class used last
let anchor = null; // where a selection of several frames begins
let work = Promise.resolve(); // what keys and clicks asked for, one after the other

// ---- Showing

async function renew() {
  const before = state;
  state = await get('/api/state');
  if (at('alert').classList.contains('silent')) tell(null);
  if (layout && layout.sitting !== state.sitting) return location.reload();
  if (before && JSON.stringify(before) === JSON.stringify(state)) return undefined;
  const fresh = !layout || layout.view !== state.view;
  if (fresh) {
    layout = await get('/api/layout');
    if (layout.view !== state.view) return renew(); // a model has just been trained
    drawRows(layout);
  }
  drawQueue(layout, state);
  await renewOpened();
  show();
  if (fresh) focusTile(firstTile());
  if (before && fresh) announce('The model has looked at every frame.');
  return undefined;
}

function show() {
  showLabels(layout, state, offer);
  showClasses(state, brush, choose);
  showPreview(current(), layout, state);
  showModel(layout, state);
  at('progress').value = state.labelled / state.frames;
  at('progress-text').textContent =
    `${state.labelled} of ${plural(state.frames, 'frame')} labelled`;
  at('file').textContent = layout.labels_file;
  at('file').title = layout.empty.length
    ? `Without one pair of colour and depth: ${layout.empty.join(', ')}`
    : '';
  at('undo').disabled = !state.steps;
  at('undo').title = state.last_step ? `Take back: ${state.last_step}` : '';
}

/** Say what is wrong, until it is right again. */
function tell(message, silent = false) {
  at('alert').hidden = !message;
  at('alert').textContent = message ?? '';
  at('alert').classList.toggle('silent', silent);
}

const announce = (words) => {
  at('announcement').textContent = words;
};

// ---- Doing

/** Do things in the order in which they were asked for; what is refused is told. */
function soon(action) {
  work = work.then(action).catch((error) => {
    if (error instanceof Silent) {
      tell('The server does not answer: start train label again. What is labelled is in the label '
        + 'file; what you press meanwhile is not.', true);
    } else {
      tell(error.message);
      return renew().catch(() => {});
    }
    return undefined;
  });
  return work;
}

/** Do to a tile what was asked of it, unless a model has meanwhile put others in its place. */
function asShown(action, view = layout.view) {
  return soon(() => {
    if (view === layout.view) return action();
    throw new Error('A model was just trained and has moved the frames: look, and press that again.');
  });
}

/** What a click or Enter labels a tile as, and how sure the model is of that. */
function offer(button) {
  if (brush) return { name: brush };
  const votes = new Map();
  for (const number of meaning(button).stretches) {
    const { guess, first, last: end } = layout.stretches[number];
    if (guess) votes.set(guess[0], (votes.get(guess[0]) ?? 0) + (end - first + 1));
  }
  const most = [...votes].sort((a, b) => b[1] - a[1])[0];
  if (!most) return last ? { name: last, faint: true } : null;
  const only = meaning(button).stretches.length === 1;
  return { name: most[0], sure: only ? layout.stretches[meaning(button).stretches[0]].guess[1] : null };
}

function rangesOf(button, wholeGroup) {
  const meant = meaning(button);
  if (meant.frame && !wholeGroup) {
    const { recording } = layout.stretches[meant.stretches[0]];
    return chosenFrames(button).map((t) => {
      const { at: frame } = meaning(t).frame;
      return { recording, first: frame, last: frame };
    });
  }
  const numbers = wholeGroup
    ? layout.stretches.flatMap((s, n) => (s.group === meant.group ? [n] : []))
    : meant.stretches;
  return numbers.map((n) => {
    const { recording, first, last: end } = layout.stretches[n];
    return { recording, first, last: end };
  });
}

async function label(button, name, wholeGroup = false) {
  if (!button?.isConnected) return;
  const ranges = rangesOf(button, wholeGroup);
  await post('/api/label', { sitting: layout.sitting, ranges, label: name });
  last = name ?? last;
  await goOn(button);
}

/** Go on without a label, where nobody can tell; it is asked about again at the very end. */
async function leave(button) {
  if (!button?.isConnected) return;
  await post('/api/leave', { sitting: layout.sitting, ranges: rangesOf(button) });
  await goOn(button);
}

/** Show what a step made of it, and go to the next tile. */
async function goOn(button) {
  anchor = null;
  tell(null);
  const next = following(button);
  await renew();
  if (next?.isConnected) focusTile(next);
  markChosen(current());
  show();
  announce(state.last_step ?? '');
}

/** The tile to go to when this one is labelled or left; the queue moves up by itself. */
function following(button) {
  const section = button.closest('.row');
  if (section.id === 'queue') return null;
  const bare = (t) => t !== button && !leftOf(t, state)
    && labelled(t, layout, state).done < labelled(t, layout, state).of;
  const tiles = tilesOf(section);
  if (button.classList.contains('group')) {
    const rows = shownRows();
    const later = rows.slice(rows.indexOf(section) + 1).map((r) => r.querySelector('.tile'));
    return later.find(bare) ?? button;
  }
  return tiles.slice(tiles.indexOf(button) + 1).find(bare) ?? button;
}

async function labelAsOffered(button, wholeGroup) {
  const name = button && offer(button)?.name;
  if (name) await label(button, name, wholeGroup);
  else type('', wholeGroup);
}

/** Let a class be typed; what it labels is where the cursor is when all before it is done. */
async function type(begun, wholeGroup = false) {
  const { view } = layout;
  const name = await askName(state.classes.map((c) => c.name), begun);
  soon(() => focusTile(current()));
  if (name) asShown(() => label(current(), name, wholeGroup), view);
}

function choose(name) {
  brush = brush === name ? null : name;
  show();
}

async function undo() {
  if (!state.steps) return;
  const taken = state.last_step;
  await post('/api/undo', { sitting: layout.sitting });
  tell(null);
  await renew();
  announce(`Taken back: ${taken}`);
}

async function train(replace = false) {
  try {
    await post('/api/fit', { sitting: layout.sitting, replace });
    tell(null);
  } catch (error) {
    if (error.code !== 'replace') throw error;
    at('replacing-text').textContent = error.message;
    at('replacing').returnValue = 'cancel';
    at('replacing').showModal();
  }
  await renew();
}

// ---- Frames one by one

async function frameLabels(button) {
  const { recording, first, last: end } = layout.stretches[meaning(button).stretches[0]];
  return (await get(`/api/frames/${recording}/${first}/${end}`)).labels;
}

async function openFrames(button) {
  anchor = null;
  if (!button || button.classList.contains('group')) return;
  focusTile(toggleFrames(button, layout, await frameLabels(button)));
  show();
}

async function renewOpened() {
  const opened = document.querySelector('#frames .tile');
  if (opened) renewFrames(await frameLabels(opened));
}

function chosenFrames(button) {
  const tiles = tilesOf(button.closest('.row'));
  const [from, to] = [tiles.indexOf(anchor ?? button), tiles.indexOf(button)].sort((a, b) => a - b);
  return tiles.slice(Math.max(from, 0), to + 1);
}

function markChosen(button) {
  for (const t of document.querySelectorAll('.tile.chosen')) t.classList.remove('chosen');
  if (anchor) for (const t of chosenFrames(button)) t.classList.add('chosen');
}

// ---- Moving

function move(button, key, extending) {
  if (!button) return firstTile();
  const section = button.closest('.row');
  const tiles = tilesOf(section);
  const index = tiles.indexOf(button);
  const rows = shownRows();
  const inRow = { ArrowLeft: index - 1, ArrowRight: index + 1, Home: 0, End: tiles.length - 1 };
  anchor = extending && section.id === 'frames' && key in inRow ? (anchor ?? button) : null;
  if (key in inRow) return tiles[inRow[key]] ?? button;
  const other = rows[rows.indexOf(section) + (key === 'ArrowDown' ? 1 : -1)];
  if (!other) return button;
  return tilesOf(other)[Math.min(index, tilesOf(other).length - 1)];
}

const MOVES = new Set(['ArrowLeft', 'ArrowRight', 'ArrowUp', 'ArrowDown', 'Home', 'End']);

/** The digit of a key, whatever its layout writes with it. */
const digitOf = (event) => /^(?:Digit|Numpad)(\d)$/.exec(event.code)?.[1];

/** What a key asks for: done at once, since more keys may follow it into a box. */
function now(event) {
  const { key } = event;
  if (key === '?') return () => at('help').showModal();
  if (key === '/') return () => type('');
  if (key === 'U') return () => type('u');
  if (key === 'X') return () => type('x');
  if (/^\p{L}$/u.test(key) && !'ux'.includes(key) && !digitOf(event)) return () => type(key);
  return null;
}

/** What a key asks for: done in its turn, where the cursor is by then. */
function inTurn(event) {
  const { key, shiftKey: shift } = event;
  if (MOVES.has(key)) {
    return () => {
      focusTile(move(current(), key, shift));
      markChosen(current());
    };
  }
  if (event.repeat) return () => {};
  const digit = digitOf(event);
  if (digit) {
    return () => {
      const name = state.classes[(Number(digit) + 9) % 10]?.name;
      return name && label(current(), name, shift);
    };
  }
  if (key === 'Enter') return () => labelAsOffered(current(), shift);
  if (key === ' ') return () => openFrames(current());
  if (key === 'Delete' || key === 'Backspace') return () => label(current(), null, shift);
  if (key === 'x') return () => leave(current());
  return key === 'u' ? undo : null;
}

function withControl({ key }) {
  if (key === 'Enter') return () => train();
  return key === 'z' ? undo : null;
}

document.addEventListener('keydown', (event) => {
  if (!state || event.altKey || document.querySelector('dialog[open]')) return;
  const controlled = event.ctrlKey || event.metaKey;
  const onButton = document.activeElement?.matches('aside *, header *');
  if (onButton && !controlled && [' ', 'Enter'].includes(event.key)) return;
  const atOnce = controlled ? null : now(event);
  const action = atOnce ?? (controlled ? withControl(event) : inTurn(event));
  if (!action) return;
  event.preventDefault();
  if (atOnce) atOnce();
  else if (controlled || MOVES.has(event.key)) soon(action);
  else asShown(action);
});

// Space has done its work when it went down; a button would be clicked when it comes up.
at('rows').addEventListener('keyup', (event) => {
  if (event.key === ' ') event.preventDefault();
});

at('rows').addEventListener('click', (event) => {
  const button = event.target.closest('.tile');
  if (!button || !state) return;
  asShown(async () => {
    focusTile(button);
    await labelAsOffered(button, event.shiftKey);
  });
});

at('rows').addEventListener('focusin', () => {
  if (state) showPreview(current(), layout, state);
});

at('undo').addEventListener('click', () => soon(undo));
at('leave').addEventListener('click', () => asShown(() => leave(current())));
at('show-help').addEventListener('click', () => at('help').showModal());
at('train').addEventListener('click', () => soon(() => train()));
at('stop').addEventListener('click', () => soon(() => post('/api/stop', { sitting: layout.sitting })));
at('replacing').addEventListener('close', () => {
  if (at('replacing').returnValue === 'replace') soon(() => train(true));
});

// ---- Looking at the server now and then

async function watch() {
  await soon(renew);
  const busy = !state || ['running', 'stopping'].includes(state.fit.state) || !at('alert').hidden;
  setTimeout(watch, busy ? BUSY : IDLE);
}

watch();
