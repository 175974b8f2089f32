# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The real server, asked over HTTP as its page asks, and as nobody should."""

from __future__ import annotations

import re
import socket
import sys
import urllib.request
from pathlib import Path

import cv2
import numpy as np
import pytest
from bundles import make_bundle
from sitting_process import Sitting, Sittings

from mm_perception.observation import Modality
from training.cli import main
from training.labelling.server import PAGE
from training.recordings.bags import find_recordings
from training.recordings.labels import from_csv

HEADER = 'bag,start,end,label\n'
BOWL, OTHER_BOWL, PLATE = range(3)  # by name


@pytest.fixture
def folder(sittings: Sittings) -> Path:
    """Where the labels are."""
    return sittings.folder


@pytest.fixture
def fresh(sittings: Sittings) -> Sitting:
    """The server, without a label."""
    return sittings.fresh


def test_a_step_is_in_the_file_when_it_is_answered(
    fresh: Sitting, folder: Path, recorded: Path
) -> None:
    before = fresh.state
    assert fresh.label(BOWL, 0, 3, 'bowl, blue').status == 200
    labels = from_csv(folder / 'labels.csv', find_recordings([recorded]))
    assert labels.classes == ('bowl, blue',)
    after = fresh.state
    assert (before['labelled'], after['labelled']) == (0, 4)
    assert after['classes'] == [{'name': 'bowl, blue', 'frames': 4}]
    assert fresh.ask(f'/api/frames/{BOWL}/2/5').json == {'labels': [0, 0, -1, -1]}
    assert fresh.tell('/api/undo').status == 200
    assert (folder / 'labels.csv').read_text() == HEADER
    assert fresh.state['labels'] == before['labels']


def test_a_label_fills_what_has_none_and_replaces_where_all_has_one(fresh: Sitting) -> None:
    fresh.label(BOWL, 2, 3, 'plate')
    fresh.label(BOWL, 0, 5, 'bowl')
    numbers = {c['name']: i for i, c in enumerate(fresh.state['classes'])}
    bowl, plate = numbers['bowl'], numbers['plate']
    assert (
        fresh.ask(f'/api/frames/{BOWL}/0/5').json['labels'] == [bowl] * 2 + [plate] * 2 + [bowl] * 2
    )
    fresh.label(BOWL, 0, 5, 'bowl')
    frames = {c['name']: c['frames'] for c in fresh.state['classes']}
    assert frames == {'plate': 0, 'bowl': 6}
    fresh.label(BOWL, 0, 0, None)
    assert fresh.state['classes'][numbers['bowl']]['frames'] == 5


def test_a_class_keeps_its_key_when_others_come(fresh: Sitting) -> None:
    for name in ('plate', 'bowl', 'apple'):
        fresh.label(BOWL, 0, 1, name)
        fresh.label(PLATE, len(name), len(name), name)
    assert [c['name'] for c in fresh.state['classes']] == ['plate', 'bowl', 'apple']


def test_what_is_labelled_leaves_the_queue(fresh: Sitting) -> None:
    stretches = fresh.ask('/api/layout').json['stretches']
    for number in fresh.state['queue']:
        s = stretches[number]
        assert number in fresh.state['queue']
        fresh.label(s['recording'], s['first'], s['last'], 'thing')
        assert number not in fresh.state['queue']
    assert fresh.state['labelled'] == fresh.state['frames']


def test_what_nobody_can_tell_is_asked_about_again_only_when_nothing_else_is_left(
    fresh: Sitting, folder: Path
) -> None:
    stretches = fresh.ask('/api/layout').json['stretches']
    first, *others = fresh.state['queue']
    assert fresh.leave(stretches[first]).status == 200
    after = fresh.state
    assert (after['labelled'], after['left']) == (0, [first])
    assert set(after['queue']) == set(others)
    for number in others:
        s = stretches[number]
        assert first not in fresh.state['queue']
        fresh.label(s['recording'], s['first'], s['last'], 'thing')
    last = fresh.state
    assert last['queue'] == [first]
    labels = (folder / 'labels.csv').read_text()
    fresh.leave(stretches[first])  # once more: there is nothing to go on to
    assert fresh.state['queue'] == [first]
    assert (folder / 'labels.csv').read_text() == labels


def test_second_round_of_what_nobody_can_tell_asks_about_each_in_turn(fresh: Sitting) -> None:
    stretches = fresh.ask('/api/layout').json['stretches']
    asked = set()
    for _ in range(2):
        waiting = set(range(len(stretches)))
        while waiting:
            first = fresh.state['queue'][0]
            assert first in waiting
            waiting.remove(first)
            asked.add(first)
            fresh.leave(stretches[first])
    assert len(asked) == len(stretches)


def test_undo_takes_back_labels_and_what_was_left_in_their_order(fresh: Sitting) -> None:
    stretches = fresh.ask('/api/layout').json['stretches']
    fresh.label(BOWL, 0, 1, 'bowl')
    first, second = fresh.state['queue'][:2]
    fresh.leave(stretches[first])
    fresh.label(PLATE, 0, 1, 'plate')
    assert fresh.state['steps'] == 3
    said = ['plate on 2 frames', 'left for later', 'bowl on 2 frames']
    expected = [(2, [first]), (2, []), (0, [])]
    for words, (labelled, left) in zip(said, expected, strict=True):
        assert words in fresh.state['last_step']
        assert fresh.tell('/api/undo').status == 200
        assert (fresh.state['labelled'], fresh.state['left']) == (labelled, left)
    assert 'no step to take back' in fresh.tell('/api/undo').json['error']
    assert second not in fresh.state['left']


def test_recordings_without_a_pair_are_named(fresh: Sitting) -> None:
    layout = fresh.ask('/api/layout').json
    assert layout['empty'] == ['apart_1']
    assert layout['recordings'] == ['bowl_1', 'bowl_2', 'plate_1']


@pytest.mark.parametrize(
    ('name', 'why'), [('', 'empty'), ('  ', 'empty'), ('unknown', 'reserved'), ('a\nb', 'printed')]
)
def test_a_name_that_is_not_allowed_is_refused_with_the_reason(
    fresh: Sitting, name: str, why: str
) -> None:
    answer = fresh.label(BOWL, 0, 1, name)
    assert (answer.status, why in answer.json['error']) == (409, True)
    assert fresh.state['labelled'] == 0


@pytest.mark.parametrize(
    ('recording', 'first', 'last'), [(9, 0, 1), (0, 0, 99), (0, 3, 2), (-1, 0, 0)]
)
def test_frames_that_are_not_there_are_refused(
    fresh: Sitting, recording: int, first: int, last: int
) -> None:
    assert fresh.label(recording, first, last, 'bowl').status == 409
    frames = {'recording': recording, 'first': first, 'last': last}
    assert fresh.leave(frames).status == 409
    assert fresh.state['steps'] == 0


@pytest.mark.parametrize('host', ['evil.example', '127.0.0.1.evil.example', '10.0.0.1:80', ''])
@pytest.mark.parametrize('path', ['/', '/api/state', '/page/main.js'])
def test_another_name_of_this_machine_is_refused(fresh: Sitting, host: str, path: str) -> None:
    assert fresh.ask(path, Host=host).status == 400


def test_it_listens_to_this_machine_alone(fresh: Sitting) -> None:
    port = int(fresh.address.rpartition(':')[2])
    with socket.socket() as other:
        other.settimeout(2)
        # All of 127.0.0.0/8 is this machine; a server on every address would answer on it.
        assert other.connect_ex(('127.0.0.2', port)) != 0


def test_a_form_of_another_site_changes_nothing(fresh: Sitting) -> None:
    body = b'{"sitting": "x", "ranges": [{"recording": 0, "first": 0, "last": 1}], "label": "x"}'
    for kind in ('text/plain', 'application/x-www-form-urlencoded'):
        headers = {'Content-Type': kind}
        request = urllib.request.Request(fresh.address + '/api/label', body, headers)  # noqa: S310 - our own
        with pytest.raises(urllib.error.HTTPError, match='415'):
            urllib.request.urlopen(request, timeout=20)  # noqa: S310 - our own
    assert fresh.state['steps'] == 0


def test_a_page_that_outlived_its_server_is_told_to_load_again(fresh: Sitting) -> None:
    frames = [{'recording': 0, 'first': 0, 'last': 1}]
    answer = fresh.ask('/api/label', {'sitting': 'old', 'ranges': frames, 'label': 'bowl'})
    assert (answer.status, answer.json['code']) == (409, 'sitting')
    assert fresh.state['steps'] == 0


@pytest.mark.parametrize(
    'body', [{}, [], {'ranges': []}, {'ranges': 3, 'label': 'x'}, {'label': 1}]
)
def test_nonsense_is_one_line_and_changes_nothing(fresh: Sitting, body: object) -> None:
    if isinstance(body, dict):
        body = {'sitting': fresh.state['sitting'], **body}
    answer = fresh.ask('/api/label', body)
    assert answer.status == 400
    assert '\n' not in answer.json['error']


def test_pictures_are_the_frames_own(fresh: Sitting) -> None:
    name = fresh.state['sitting']
    first, second = (fresh.ask(f'/picture/{name}/{BOWL}/0/{m}') for m in ('rgb', 'depth'))
    shown = cv2.imdecode(np.frombuffer(first.body, np.uint8), cv2.IMREAD_COLOR)
    assert shown is not None
    assert shown.shape == (72, 72, 3)
    assert first.body != second.body
    assert fresh.ask(f'/picture/old/{BOWL}/0/rgb').status == 404
    assert fresh.ask(f'/picture/{name}/{BOWL}/99/rgb').status == 404
    assert fresh.ask(f'/picture/{name}/{BOWL}/0/smell').status == 404


def test_training_is_refused_with_what_is_lacking(fresh: Sitting) -> None:
    answer = fresh.tell('/api/fit')
    assert (answer.status, 'two classes' in answer.json['error']) == (409, True)
    fresh.label(BOWL, 0, 3, 'bowl')
    fresh.label(PLATE, 0, 3, 'plate')
    assert 'the only one of a class: bowl or plate' in fresh.tell('/api/fit').json['error']
    assert fresh.state['fit']['state'] == 'idle'


def test_the_page_asks_nobody_else(fresh: Sitting) -> None:
    for file in PAGE.iterdir():
        text = file.read_text(encoding='utf-8').replace('http://www.w3.org/2000/svg', '')
        assert not re.search(r'https?:|//\w+\.\w', text), file.name
        answer = fresh.ask('/' if file.name == 'index.html' else f'/page/{file.name}')
        assert answer.body == file.read_bytes()
        policy = answer.headers['content-security-policy']
        assert policy.startswith("default-src 'none'; ")
        assert 'unsafe' not in policy
    assert fresh.ask('/page/../server.py').status == 404


@pytest.mark.long  # a server's start takes seconds, and test_with_a_browser.py kills one, too
def test_a_kill_between_steps_loses_none(sittings: Sittings) -> None:
    served = sittings.fresh
    served.label(BOWL, 0, 3, 'bowl')
    served.label(PLATE, 0, 7, 'plate')
    before = served.state
    served.kill()
    again = sittings.running
    after = again.state
    assert after['sitting'] != before['sitting']
    assert (after['labels'], after['labelled']) == (before['labels'], 12)
    assert after['last_step'] == 'plate on 8 frames'
    again.tell('/api/undo')
    assert again.state['labelled'] == 4


@pytest.mark.parametrize(
    ('words', 'message'),
    [
        ([], 'give the recordings'),
        (['nowhere'], 'nowhere: there is no such file or folder'),
        (['BAGS/bowl_1', 'BAGS/bowl_2'], '--labels FILE: is needed'),
        (['BAGS', '--labels', 'no/such/labels.csv'], 'there is no folder'),
        (['BAGS', '--bundle', 'nowhere'], 'nowhere'),
        (['BAGS', '--bundle', 'OTHER'], 'was made with another pipeline'),
        (['BAGS', '--port', 'TAKEN'], 'cannot be had on 127.0.0.1: Address already in use'),
        (['BAGS/apart_1'], 'not one observation with both RGB and depth'),
    ],
)
def test_what_is_wrong_at_the_start_is_one_line_and_exit_code_two(
    recorded: Path,
    cache: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    message: str,
) -> None:
    with socket.create_server(('127.0.0.1', 0)) as taken:
        port = str(taken.getsockname()[1])
        names = {'BAGS': str(recorded), 'TAKEN': port}
        if 'OTHER' in words:
            names['OTHER'] = str(make_bundle(tmp_path / 'other', Modality.RGB))
        given = list(words)
        for name, meant in names.items():
            given = [word.replace(name, meant) for word in given]
        small = ['--backbone', 'squeezenet1_0', '--backbone-weights', 'random']
        fixed = ['--cache', str(cache), '--no-browser', *small]
        free = [] if '--port' in given else ['--port', '0']
        monkeypatch.setattr(sys, 'argv', ['train', 'label', *given, *fixed, *free])
        with pytest.raises(SystemExit) as ended:
            main()
    told = [line for line in capsys.readouterr().err.splitlines() if line.startswith('train: ')]
    assert ended.value.code == 2
    assert len(told) == 1
    assert message in told[0]
