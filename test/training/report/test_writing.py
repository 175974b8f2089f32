# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import base64
import csv
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import cv2
import numpy as np
import pytest

from mm_perception.errors import TrainingError
from training.evaluation.evaluate import Scores
from training.evaluation.shared_space import SharedSpace
from training.evaluation.trust import Evidence, Findings
from training.fitting.climb import Epoch
from training.recipe import Rates
from training.report import Report, Samples, write_report
from training.report.findings import misclassified, verdicts
from training.report.sheets import EXAMPLES, WORST

MakeReport = Callable[..., Report]
VOID = {'meta', 'img', 'br'}


class Page(HTMLParser):
    """A page's text, tables, pictures and cards; refuses tags that are not closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[tuple[str, dict[str, str | None]]] = []
        self.tags: set[str] = set()
        self.pictures: list[str] = []
        self.described: list[str] = []
        self.rows: dict[str, list[list[str]]] = {}
        self.cards: dict[str, list[tuple[str, list[str]]]] = {}
        self.row_pictures: Counter[str] = Counter()
        self.text = ''
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = dict(attrs)
        self.tags.add(tag)
        if tag == 'img':
            self.pictures.append(attributes['src'] or '')
            self.described.append(attributes['alt'] or '')
            if self.inside('pictures'):
                self.row_pictures[self.table()] += 1
            if self.inside('card'):
                self.cards[self.inside('sheet')][-1][1].append(attributes['src'] or '')
        if tag not in VOID:
            self.open.append((tag, attributes))
        if attributes.get('class') == 'card':
            self.cards.setdefault(self.inside('sheet'), []).append(('', []))
        if tag == 'tr':
            self.rows.setdefault(self.table(), []).append([])
        if tag in {'td', 'th'}:
            self.rows[self.table()][-1].append('')

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop()[0] == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1][0] == 'style':
            return
        self.text += data
        if any(tag in {'td', 'th'} for tag, _ in self.open):
            self.rows[self.table()][-1][-1] += data
        if self.inside('card'):
            cards = self.cards[self.inside('sheet')]
            cards[-1] = (' '.join((cards[-1][0] + data).split(' ')), cards[-1][1])

    def inside(self, name: str) -> str:
        """The id, or else the class, of the element of this class that is open."""
        for _, attributes in self.open:
            if attributes.get('class') == name:
                return attributes.get('id') or name
        return ''

    def table(self) -> str:
        return next(a.get('id') or 'other' for tag, a in self.open if tag == 'table')


def picture_of(source: str) -> np.ndarray:
    data = base64.b64decode(source.removeprefix('data:image/png;base64,'), validate=True)
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    assert image is not None
    return image[..., ::-1]


def places(frames: int) -> SharedSpace:
    rng = np.random.default_rng(0)
    points = {mode: rng.normal(size=(frames, 2)) for mode in ('rgbd', 'rgb', 'depth')}
    return SharedSpace(points, (0.4, 0.2))


def table_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding='utf-8', newline='') as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope='module')
def report(make_report: MakeReport) -> Report:
    warning = 'RANDOM WEIGHTS: <never> trained'
    return make_report(
        warnings=(warning,),
        labelled={'mug': 31, 'bowl': 17},
        space=places(200),
        history=[Epoch(e, {'loss': 9 / e, 'L': -1 / e}) for e in (1, 2, 3)],
    )


@pytest.fixture(scope='module')
def folder(report: Report, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_report(tmp_path_factory.mktemp('made') / 'deep' / 'er', report).parent


@pytest.fixture(scope='module')
def page(folder: Path) -> Page:
    return Page((folder / 'report.html').read_text(encoding='utf-8'))


def test_first_table_holds_every_modes_accuracy_and_zero_fill_beside_it(
    report: Report, page: Page
) -> None:
    rows = {row[0]: row for row in page.rows['accuracy'][1:]}
    assert list(rows) == ['rgbd', 'rgb', 'depth']
    for mode, row in rows.items():
        scores = report.scores[mode]
        assert row[2] == f'{scores.accuracy:.1%}'
        assert row[3] == f'{(scores.predicted == scores.truth).sum()} of 200'
        assert row[4] == f'{scores.calibration_error:.3f}'
    assert rows['rgb'][6:8] == ['q(a|x)', f'{report.scores["rgb, zero fill"].accuracy:.1%}']
    assert rows['depth'][6:8] == ['q(a|w)', f'{report.scores["depth, zero fill"].accuracy:.1%}']
    gain = (report.scores['depth'].accuracy - report.scores['depth, zero fill'].accuracy) * 100
    assert f'worth on these frames: +{gain:.1f} points' in page.text


def test_the_page_asks_nothing_of_the_network(folder: Path, page: Page) -> None:
    text = (folder / 'report.html').read_text(encoding='utf-8')
    assert 'http' not in text
    assert not re.search(r'url\(|@import', text)
    assert page.tags.isdisjoint({'script', 'link', 'iframe', 'a', 'object', 'form'})
    assert page.pictures
    assert all(source.startswith('data:image/png;base64,') for source in page.pictures)


def test_names_are_text_never_markup(report: Report, folder: Path, page: Page) -> None:
    text = (folder / 'report.html').read_text(encoding='utf-8')
    assert '<b>plate' not in text
    assert '&lt;b&gt;plate&lt;/b&gt;' in text
    assert all(name in page.text for name in report.classes)


def test_warnings_come_before_any_figure(page: Page) -> None:
    assert page.text.index('RANDOM WEIGHTS: <never> trained') < page.text.index('Accuracy by mode')


def test_setup_recipe_and_command_are_printed_as_they_are(page: Page) -> None:
    assert 'seed: 0\nevery: 3\n' in page.text
    assert "train fit bags -o 'my model'" in page.text
    assert ['device', 'cpu'] in page.rows['other']


def test_by_class_counts_labels_recordings_and_frames(report: Report, page: Page) -> None:
    row = next(row for row in page.rows['other'] if row[0] == 'mug')
    inside = report.truth == 0
    recordings = {r for r, here in zip(report.samples.recordings, inside, strict=True) if here}
    assert row[1:4] == ['31', str(len(recordings)), str(inside.sum())]
    right = (report.scores['rgbd'].predicted == 0)[inside].mean()
    assert row[4] == f'{right:.1%}'


def test_sheets_show_the_most_confident_wrong_frames_in_order(report: Report, page: Page) -> None:
    for mode in ('rgbd', 'rgb', 'depth'):
        scores = report.scores[mode]
        frames = misclassified(scores)[:WORST]
        cards = page.cards[f'sheet-{mode}']
        assert len(cards) == len(frames) > 0
        for frame, (text, pictures) in zip(frames, cards, strict=True):
            truth = report.classes[scores.truth[frame]]
            predicted = report.classes[scores.predicted[frame]]
            assert f'{truth} → {predicted} {scores.probabilities[frame].max():.1%}' in text
            assert f'recording_{frame % 7}, {frame / 8:.2f} s' in text
            for name, source in zip(('rgb', 'depth'), pictures, strict=True):
                shown = picture_of(source)
                np.testing.assert_array_equal(shown, report.samples.thumbnails[name][frame])


def test_what_each_eye_gets_wrong_is_counted_and_shown(report: Report, page: Page) -> None:
    found = verdicts(report.modes)
    assert [int(row[1]) for row in page.rows['eyes'][1:]] == [len(v.frames) for v in found]
    for verdict in found:
        cards = page.cards.get(f'eyes-{verdict.name.replace(" ", "-")}', [])
        frames = [] if verdict.name in {'all right', 'all wrong'} else verdict.frames.tolist()
        # The surest of each recording before a second one of the same.
        first = [f for i, f in enumerate(frames) if f % 7 not in {g % 7 for g in frames[:i]}]
        shown = [*first, *(f for f in frames if f not in first)][: len(cards)]
        assert len(cards) == min(len(frames), 4)
        for frame, (text, pictures) in zip(shown, cards, strict=True):
            assert f'recording_{frame % 7}, {frame / 8:.2f} s' in text
            rgb = report.samples.thumbnails['rgb'][frame]
            np.testing.assert_array_equal(picture_of(pictures[0]), rgb)
    assert page.cards['eyes-rescued']


def test_mistaken_pairs_are_shown_with_their_frames(report: Report, page: Page) -> None:
    rows = page.rows['mistaken'][1:]
    assert [row[0] for row in rows] == ['rgbd'] * 3 + ['rgb'] * 3 + ['depth'] * 3
    confusion = report.scores['rgbd'].confusion
    np.fill_diagonal(confusion, 0)
    truth, predicted = np.unravel_index(confusion.argmax(), confusion.shape)
    assert rows[0][1:3] == [report.classes[truth], report.classes[predicted]]
    assert rows[0][3].startswith(f'{confusion.max()} of ')
    assert 9 * EXAMPLES * 2 >= page.row_pictures['mistaken'] > 9 * 2


def test_maps_and_curves_are_drawn_where_there_are_some(page: Page) -> None:
    assert 'of 200 held-out frames' in page.text
    assert 'it holds 60.0% of the variance' in page.text
    assert 'of each of 3 epochs' in page.text
    assert {'by true class', 'by the eyes that saw the frame', 'by epoch'} <= {
        described[described.rindex('by ') :] for described in page.described if 'by ' in described
    }


def test_tables_hold_every_mode_class_and_wrong_frame(report: Report, folder: Path) -> None:
    accuracy = table_of(folder / 'accuracy.csv')
    whole = {row['mode']: row for row in accuracy if not row['class']}
    assert {m: float(r['accuracy']) for m, r in whole.items()} == pytest.approx(
        {m: s.accuracy for m, s in report.scores.items()}, abs=1e-6
    )
    assert len(accuracy) == len(report.scores) * (1 + len(report.classes))
    wrong = table_of(folder / 'misclassified.csv')
    for mode, scores in report.scores.items():
        rows = [row for row in wrong if row['mode'] == mode]
        assert [round(float(row['seconds']) * 8) for row in rows] == misclassified(scores).tolist()


def test_a_perfect_model_has_no_misclassified_frames(
    make_report: MakeReport, tmp_path: Path
) -> None:
    truth = np.arange(3).repeat(5)
    perfect = Scores(truth, np.eye(3)[truth])
    samples = Samples({'rgb': np.zeros((15, 8, 8, 3), np.uint8)}, ['a'] * 15, [np.nan] * 15)
    path = write_report(
        tmp_path,
        make_report(
            classes=('a', 'b', 'c'), scores={'rgbd': perfect}, samples=samples, efficiency=()
        ),
    )
    page = Page(path.read_text(encoding='utf-8'))
    assert page.rows['accuracy'][1][2] == '100.0%'
    assert 'None: all 15 frames are right.' in page.text
    assert 'zero fill' not in ' '.join(page.rows['accuracy'][0])
    assert 'Not measured' in page.text
    assert not page.cards
    assert table_of(tmp_path / 'misclassified.csv') == []


def test_one_sample_of_unknown_time_is_enough(make_report: MakeReport, tmp_path: Path) -> None:
    scores = {m: Scores(np.array([1]), np.array([[0.75, 0.25]])) for m in ('rgbd', 'rgb', 'depth')}
    samples = Samples({'rgb': np.zeros((1, 8, 8, 3), np.uint8)}, ['only'], [float('nan')])
    path = write_report(
        tmp_path, make_report(classes=('a', 'b'), scores=scores, samples=samples, efficiency=())
    )
    page = Page(path.read_text(encoding='utf-8'))
    assert [row[2] for row in page.rows['accuracy'][1:]] == ['0.0%'] * 3
    (text, _), *more = page.cards['sheet-rgbd']
    assert not more
    assert text.rstrip().endswith('only')
    assert '1 of the 2 classes has no held-out frame' in page.text


def test_a_mode_no_better_than_guessing_is_called_so(
    make_report: MakeReport, tmp_path: Path
) -> None:
    truth = np.array([0, 0, 0, 1])
    scores = {
        'rgbd': Scores(truth, np.eye(2)[truth]),
        'depth': Scores(truth, np.eye(2)[[0, 0, 0, 0]]),
        'depth, zero fill': Scores(truth, np.eye(2)[truth]),
    }
    samples = Samples({}, ['a', 'a', 'b', 'b'], [0.0] * 4)
    path = write_report(
        tmp_path, make_report(classes=('x', 'y'), scores=scores, samples=samples, efficiency=())
    )
    text = Page(path.read_text(encoding='utf-8')).text
    assert 'learning that case is worth nothing (−25.0 points)' in text
    assert 'It is no better than always naming x.' in text


def test_fifty_one_classes_and_incompressible_pictures_stay_under_five_megabytes(
    make_report: MakeReport, tmp_path: Path
) -> None:
    frames = 400
    noise = np.random.default_rng(0).integers(0, 256, (frames, 96, 96, 3), np.uint8)
    report = make_report(
        frames=frames,
        names=tuple(f'class number {i}' for i in range(51)),
        skill=3.4,
        samples=Samples({'rgb': noise, 'depth': noise}, ['r'] * frames, range(frames)),
        space=places(frames),
    )
    path = write_report(tmp_path, report)
    page = Page(path.read_text(encoding='utf-8'))
    assert [len(page.cards[f'sheet-{m}']) for m in ('rgbd', 'rgb', 'depth')] == [WORST] * 3
    assert path.stat().st_size < 5e6


def test_a_recording_whose_name_is_no_utf8_is_still_reported(
    make_report: MakeReport, tmp_path: Path
) -> None:
    scores = {'rgb': Scores(np.array([0, 1]), np.eye(2)[[1, 1]])}
    samples = Samples({}, ['caf\udce9', 'b'], [0.0, 1.0])
    path = write_report(
        tmp_path, make_report(classes=('a', 'b'), scores=scores, samples=samples, efficiency=())
    )
    assert r'caf\udce9' in path.read_text(encoding='utf-8')


def test_a_report_that_cannot_be_written_leaves_the_old_files_whole(
    report: Report, tmp_path: Path
) -> None:
    (tmp_path / 'accuracy.csv').mkdir()
    (tmp_path / 'report.html').write_text('the old one', encoding='utf-8')
    with pytest.raises(TrainingError, match=r'the report cannot be written') as caught:
        write_report(tmp_path, report)
    assert str(tmp_path) in str(caught.value)
    assert '\n' not in str(caught.value)
    assert (tmp_path / 'report.html').read_text(encoding='utf-8') == 'the old one'
    assert {p.name for p in tmp_path.iterdir()} == {'accuracy.csv', 'report.html'}


def test_a_new_report_takes_the_old_ones_place(folder: Path, make_report: MakeReport) -> None:
    place = folder.parent / 'twice'
    one_mode = {'rgb': make_report().scores['rgb']}
    for title in ('first', 'second'):
        path = write_report(place, make_report(title=title, scores=one_mode, efficiency=()))
    assert 'second' in path.read_text(encoding='utf-8')
    assert {p.name for p in place.iterdir()} == {
        'report.html',
        'accuracy.csv',
        'misclassified.csv',
    }


def test_contents_of_different_frames_or_classes_are_refused(make_report: MakeReport) -> None:
    with pytest.raises(ValueError, match='scores of 10 classes, 2 are named'):
        make_report(classes=('a', 'b'))
    with pytest.raises(ValueError, match='times of 1 frames, recordings of 2'):
        make_report(samples=Samples({}, ['a', 'b'], [0.0]))
    with pytest.raises(ValueError, match='rgbd scores of 200 frames, recordings of 1'):
        make_report(samples=Samples({}, ['a'], [0.0]))
    with pytest.raises(ValueError, match='no scores'):
        make_report(scores={})


def test_what_the_model_does_not_know_is_told_where_it_can_tell(
    make_report: MakeReport, tmp_path: Path
) -> None:
    report = make_report()
    frames = len(report.truth)
    usual, strange = np.linspace(1, 2, frames), np.array([0.5, 9.0, 9.0, 9.0])
    evidence = Evidence({'rgb': usual}, report.samples.recordings, {'rgb': strange}, usual, strange)
    told = replace(report, trust=Findings(evidence.thresholds(Rates()), evidence))
    page = Page(write_report(tmp_path, told).read_text())
    row = page.rows['trust'][1]
    assert (row[0], row[3]) == ('rgb', '75.0%')
    assert 'The unknown objects are the 4 held-out frames' in ' '.join(page.text.split())
    plain = Page(write_report(tmp_path, report).read_text())
    assert 'trust' not in plain.rows
    assert 'does not know' not in plain.text
    assert 'The shared representation' not in plain.text
    assert 'Learning curves' not in plain.text
