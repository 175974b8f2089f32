# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The layouts for Foxglove and RViz show what is really published."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import yaml
from conftest import CHECKOUT

from mm_perception.interface.cameras import load_camera
from mm_perception.interface.prediction_status import prediction_statuses
from mm_perception.observation import Frame, Modality, Observation, Prediction
from mm_perception.serving.labelled import Labelled
from training.annotating.writing import NODE, TYPES

CONFIG = CHECKOUT / 'config'
FOXGLOVE = json.loads((CONFIG / 'foxglove' / 'mm_perception.json').read_text(encoding='utf-8'))
RVIZ = yaml.safe_load((CONFIG / 'rviz' / 'mm_perception.rviz').read_text(encoding='utf-8'))

# What each panel cannot do without, by the source of Lichtblick, the open form of Foxglove.
PANELS = {
    'Image': {'imageMode'},
    'Tab': {'activeTabIdx', 'tabs'},
    'Indicator': {'path', 'style', 'rules', 'fallbackColor', 'fallbackLabel'},
    'StateTransitions': {'isSynced', 'paths'},
    'Plot': {'paths', 'xAxisVal', 'isSynced', 'legendDisplay', 'showLegend'},
    'DiagnosticSummary': {'topicToRender', 'minLevel', 'pinnedIds', 'hardwareIdFilter'},
}
RVIZ_CLASSES = {
    *('rviz_common/Displays', 'rviz_default_plugins/Image', 'rviz_default_plugins/MoveCamera'),
    *('rviz_default_plugins/TF', 'rviz_default_plugins/Orbit'),
}


def published() -> set[str]:
    """What the node, ``train annotate`` and the simulated camera publish."""
    source = (CHECKOUT / 'mm_perception' / 'node.py').read_text(encoding='utf-8')
    offered = re.findall(r"_offer\('([^']+)'", source)
    assert '~/annotated' in offered
    nodes = {f'/{name}'.replace('/~', NODE) for name in offered} | {'/diagnostics'}
    assert {f'{NODE}/annotated', '/object_label'} <= nodes
    camera = load_camera('simulated', CONFIG / 'cameras')
    return nodes | set(TYPES) | set(camera.remappings.values())


def leaves(layout: Any) -> Iterator[str]:
    """The panels of a part of the layout, those in tabs too."""
    if isinstance(layout, dict):
        assert layout['direction'] in {'row', 'column'}
        assert 0 < layout['splitPercentage'] < 100
        yield from (*leaves(layout['first']), *leaves(layout['second']))
        return
    yield layout
    for tab in FOXGLOVE['configById'][layout].get('tabs', []):
        yield from leaves(tab['layout'])


def strings(content: Any) -> Iterator[str]:
    if isinstance(content, dict):
        content = list(content.values())
    if isinstance(content, list):
        for each in content:
            yield from strings(each)
    elif isinstance(content, str):
        yield content


def test_every_panel_of_foxglove_is_in_its_place_once_and_has_what_it_needs() -> None:
    panels = FOXGLOVE['configById']
    assert sorted(leaves(FOXGLOVE['layout'])) == sorted(panels)
    for name, config in panels.items():
        kind, _, _ = name.partition('!')
        assert PANELS[kind] <= set(config), name


def test_every_topic_of_foxglove_is_published() -> None:
    topics = {s.partition('.')[0] for s in strings(FOXGLOVE['configById']) if s.startswith('/')}
    assert topics <= published()
    shown = {f'{NODE}/annotated', f'{NODE}/annotated/compressed', '/object_label', '/diagnostics'}
    assert shown | {f'{NODE}/modality', f'{NODE}/prediction'} <= topics


def test_every_figure_that_foxglove_plots_is_told_with_a_label() -> None:
    frame = Frame(Modality.RGB, 1, 'camera', np.zeros((2, 2, 3), np.uint8))
    said = Prediction(1, 'rgb', 'mug', {'mug': 1.0}, novelty=0.5, contradiction=0.5)
    (told,) = prediction_statuses(Labelled(Observation.of(frame), said, 1.0, 1.0))
    plotted = re.findall(r'\{key==\\?"(\w+)\\?"\}', json.dumps(FOXGLOVE))
    assert plotted
    assert set(plotted) <= set(told.values)


def test_every_topic_and_class_of_rviz_is_there() -> None:
    displays = RVIZ['Visualization Manager']['Displays']
    assert {display['Topic']['Value'] for display in displays} <= published()
    classes = re.findall(r'Class: (\w+/\w+)', (CONFIG / 'rviz' / 'mm_perception.rviz').read_text())
    assert set(classes) <= RVIZ_CLASSES
    for display in displays:
        assert display['Enabled'] is display['Value'] is True
        # As the node offers them: a reliable subscription would hear nothing of most drivers.
        assert display['Topic']['Reliability Policy'] == 'Best Effort'
