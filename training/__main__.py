# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""``python -m training`` is the command ``train``."""

from __future__ import annotations

from training.cli import main

if __name__ == '__main__':  # processes that it starts import it, too
    main()
