# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""How drawings look, and a drawing as the bytes of a PNG file, the same for the same drawing.

Colours are Okabe and Ito's, which the colour-blind can tell apart.
"""

from __future__ import annotations

import io
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

DPI = 144
BLUE, VERMILION, GREEN = '#0072B2', '#D55E00', '#009E73'
GREY = '#707070'
STYLE: dict[Any, Any] = {
    'font.family': 'DejaVu Sans',  # comes with matplotlib
    'font.size': 9,
    'axes.spines.top': False,
    'axes.spines.right': False,
    'axes.edgecolor': GREY,
    'axes.titlesize': 9,
    'axes.titlelocation': 'left',
    'legend.frameon': False,
}


def png(figure: Figure, dpi: int) -> bytes:
    """Render a figure, without a display and without pyplot's shared state."""
    FigureCanvasAgg(figure)
    file = io.BytesIO()
    # The software's name would change the bytes with its version.
    metadata = {'Software': None}
    figure.savefig(
        file, format='png', dpi=dpi, bbox_inches='tight', pad_inches=0.08, metadata=metadata
    )
    return file.getvalue()
