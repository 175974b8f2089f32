# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""What is shown while a session runs, on a terminal and in a log."""

from __future__ import annotations

import io
import re

import test_judge as hand
from rich.console import Console

from mm_perception.observation import Modality
from training.live.events import Event, Mode, Status
from training.live.screen import Scene, Screen


def scene_after(*events: Event) -> Scene:
    scene = Scene(hand.always_a_mug)
    for event in events:
        scene.take(event)
    return scene


def console(*, terminal: bool) -> Console:
    return Console(file=io.StringIO(), width=110, force_terminal=terminal, legacy_windows=False)


def text_of(shown: Console) -> str:
    return re.sub(r'\x1b\[[0-9;?]*[A-Za-z]', '', shown.file.getvalue())  # type: ignore[attr-defined]


def test_scene_tells_the_newest_of_everything() -> None:
    scene = scene_after(
        *hand.playing(0.5, {Modality.DEPTH: (300, 600)}),
        hand.label(280, rgb=200, depth=200),
        hand.label(340, rgb=200, depth=200, said='cap'),
        hand.label(480, rgb=400),
        Mode(wall=hand.wall(480), mode='rgb'),
        Status(wall=0, subject='depth', level=2, message='silent for 0.25 s'),
    )
    assert (scene.shown, scene.mode, scene.seconds) == ('mug', 'rgb', 0.4)
    assert scene.unplugged == {Modality.DEPTH}
    assert scene.newest is not None
    assert scene.newest.label.mode == 'rgb'
    assert scene.accuracy == 'rgbd 50% of 2   rgb 100% of 1'
    scene.take(hand.frame(Modality.DEPTH, 600))
    assert scene.unplugged == set()


def test_terminal_shows_object_label_mode_sensors_and_score() -> None:
    scene = scene_after(
        *hand.playing(0.5, {Modality.DEPTH: (300, 600)}),
        Mode(wall=hand.wall(480), mode='rgb'),
        Status(wall=0, subject='rgb', level=0, message='10.0 Hz'),
        Status(wall=0, subject='depth', level=2, message='silent for 0.25 s'),
        hand.label(480, rgb=400, said='cap'),
    )
    shown = console(terminal=True)
    with Screen(scene, shown, 2.0) as screen:
        screen.update()
    text = text_of(shown)
    assert re.search(r'shown +mug', text)
    assert re.search(r'label +cap 90% +wrong: it is mug', text)
    assert re.search(r'mode +rgb', text)
    assert re.search(r'rgb camera +10.0 Hz', text)
    assert re.search(r'depth camera +unplugged +silent for 0.25 s', text)
    assert re.search(r'right so far +rgb 0% of 1', text)
    assert '0.4 of 2.0 s' in text


def test_log_gets_a_line_when_something_changes_and_none_else() -> None:
    scene, shown = (
        scene_after(*hand.playing(0.5, {Modality.DEPTH: (300, 600)})),
        console(terminal=False),
    )
    with Screen(scene, shown, 2.0) as screen:
        screen.update()  # no label has come
        for label in (hand.label(480, rgb=400), hand.label(490, rgb=400), hand.label(495, rgb=400)):
            scene.take(label)
            screen.update()
        scene.take(hand.frame(Modality.DEPTH, 600))
        screen.update()
    assert text_of(shown).splitlines() == [
        '  0.40 s  rgb    mug 90%  right, depth lost',
        '  0.60 s  rgb    mug 90%  right',
    ]
