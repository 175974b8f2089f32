# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""How a report's pictures look: as all drawings, and each mode has a marker too, for grey print."""

from __future__ import annotations

from matplotlib.font_manager import get_font_names

from training import drawing
from training.drawing import BLUE, GREEN, VERMILION

COLOURS = (BLUE, VERMILION, GREEN, '#E69F00', '#56B4E9', '#CC79A7', '#000000')
MARKERS = 'os^DvPX*'
"""Together with the colours enough to tell 56 classes apart."""

LOOKS = {'rgbd': (BLUE, 'o'), 'rgb': (VERMILION, 's'), 'depth': (GREEN, '^')}
# DejaVu Sans comes with matplotlib; class names in other scripts need a font that the machine has.
_FONTS = ('DejaVu Sans', 'Noto Sans CJK JP', 'IPAexGothic', 'Hiragino Sans', 'Yu Gothic')
STYLE = drawing.STYLE | {
    'font.family': [name for name in _FONTS if name in get_font_names()],
    'text.parse_math': False,  # a class may be called `$100`
}
_LONGEST_NAME = 28


def short(name: str) -> str:
    """Cut a long name, and spell out what cannot be drawn."""
    name = name.encode('utf-8', 'backslashreplace').decode('utf-8')
    name = ' '.join(name.split())
    return name if len(name) <= _LONGEST_NAME else f'{name[: _LONGEST_NAME - 1]}…'
