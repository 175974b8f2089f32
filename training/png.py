# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""A drawing as the bytes of a PNG file, the same for the same drawing."""

from __future__ import annotations

import io

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure


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
