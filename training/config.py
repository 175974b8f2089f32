# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Where the package's ``config/`` lies: in the checkout, or where it was installed."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def config_folders() -> list[Path]:
    """List the folders that there are, the checkout's first."""
    prefixes = [p for p in os.environ.get('AMENT_PREFIX_PATH', '').split(os.pathsep) if p]
    shares = [Path(p) / 'share' / 'mm_perception' for p in (*prefixes, sys.prefix)]
    folders = (place / 'config' for place in (Path(__file__).parents[1], *shares))
    return [folder for folder in folders if folder.is_dir()]
