// Copyright 2026 The mm_perception authors
// SPDX-License-Identifier: Apache-2.0
// Beside the rows: the classes, what is selected, and the model.

import { face, labelled, leftOf, make, meaning, percent, picture, plural } from './rows.js';

const at = (id) => document.getElementById(id);
const MODES = { rgbd: 'both', rgb: 'RGB', depth: 'depth' };
const FILM = 6;

/** Show the classes with their keys; a click chooses the one that clicks label with. */
export function showClasses(state, brush, choose) {
  const items = state.classes.map(({ name, frames }, number) => {
    const key = number < 10 ? make('kbd', {}, String((number + 1) % 10)) : make('span');
    const button = make(
      'button',
      { type: 'button', className: 'class', onclick: () => choose(name) },
      key,
      make('span', { className: 'name' }, name),
      make('span', { className: 'quiet' }, String(frames)),
    );
    button.style.setProperty('--class', number);
    button.setAttribute('aria-pressed', String(name === brush));
    return make('li', {}, button);
  });
  at('classes').replaceChildren(...items);
  at('brush-hint').textContent = !state.classes.length
    ? 'None yet: select a picture and type what it shows.'
    : brush
      ? `Every click labels as ${brush}.`
      : 'Choose one to click with it.';
}

/** Show a tile large: colour and depth, some of its frames, and what is known of it. */
export function showPreview(button, layout, state) {
  const panel = at('preview');
  const meant = button && meaning(button);
  panel.hidden = !meant;
  if (!meant) return;
  const stretch = layout.stretches[meant.stretches[0]];
  const shown = meant.frame ? meant.frame.at : face(stretch);
  at('large').replaceChildren(
    picture(layout, stretch.recording, shown, 'rgb'),
    picture(layout, stretch.recording, shown, 'depth'),
  );
  const whole = button.classList.contains('group');
  at('film').replaceChildren(...(whole ? faces(meant.stretches, layout) : film(stretch, layout)));
  const { of, done } = labelled(button, layout, state);
  at('preview-title').textContent = whole ? `Group ${meant.group + 1}` : layout.recordings[stretch.recording];
  at('preview-text').textContent = [
    meant.frame ? `frame ${meant.frame.index + 1}` : plural(of, 'frame'),
    whole ? plural(meant.stretches.length, 'stretch').replace('stretchs', 'stretches') : `from ${stretch.start.toFixed(1)} s`,
    done ? (done < of ? `${done} labelled` : 'labelled') : 'no label yet',
    ...(done < of && leftOf(button, state) ? ['left for later'] : []),
  ].join(', ');
  at('leave').disabled = done === of;
  at('preview-guess').textContent = whole || !stretch.says ? '' : said(stretch);
  at('preview-guess').classList.toggle('wrong', !whole && stretch.disagree);
}

/** What the model says of a stretch; where its two eyes see different things, what each does. */
function said({ says, guess, disagree }) {
  const words = Object.entries(says)
    .slice(disagree ? 1 : 0, disagree ? undefined : 1)
    .map(([mode, [name, p]]) => `${disagree ? MODES[mode] : 'The model'} says ${name}, ${percent(p)}`);
  return disagree ? `${words.join('; ')}. Both together: ${guess[0]}, ${percent(guess[1])}` : words[0];
}

function spread(count) {
  const shown = Math.min(count, FILM);
  return Array.from({ length: shown }, (_, i) => Math.round((i * (count - 1)) / Math.max(shown - 1, 1)));
}

const film = (s, layout) => spread(s.last - s.first + 1).map((i) => picture(layout, s.recording, s.first + i));

const faces = (numbers, layout) =>
  spread(numbers.length).map((i) => {
    const stretch = layout.stretches[numbers[i]];
    return picture(layout, stretch.recording, face(stretch));
  });

/** Show how a fit stands, and what the model in use is worth. */
export function showModel(layout, state) {
  const { fit } = state;
  const running = fit.state === 'running' || fit.state === 'stopping';
  at('advice').textContent = state.advice ?? (layout.model || running ? '' : 'Ready to train.');
  at('fit').hidden = !running;
  at('fit-what').textContent = fit.state === 'stopping' ? 'stopping' : (fit.what ?? '');
  const bar = at('fit-progress');
  if (fit.total) {
    bar.max = fit.total;
    bar.value = fit.done;
  } else {
    bar.removeAttribute('value');
  }
  at('fit-error').hidden = fit.state !== 'failed';
  at('fit-error').textContent = fit.said ?? '';
  at('train').disabled = running || Boolean(state.advice);
  at('train').firstChild.textContent = layout.model ? 'Train again ' : 'Train ';
  at('stop').hidden = !running;
  const accuracy = Object.entries(layout.model?.accuracy ?? {});
  at('accuracy').hidden = !accuracy.length;
  at('accuracy').tBodies[0].replaceChildren(
    make('tr', {}, ...accuracy.map(([mode]) => make('th', { scope: 'col' }, MODES[mode]))),
    make('tr', {}, ...accuracy.map(([, share]) => make('td', {}, percent(share)))),
  );
  at('report').hidden = !fit.report;
}
