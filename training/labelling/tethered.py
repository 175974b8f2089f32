# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The command ``train`` for a parent that waits for it: it ends when the parent does.

The parent holds the other end of standard input, and the kernel closes that however it dies.
"""

from __future__ import annotations

import os
import signal
import threading

from training.cli import main


def _end_with_parent() -> None:
    # Not through sys.stdin, whose lock Python wants for itself when it ends.
    while os.read(0, 1):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == '__main__':
    threading.Thread(target=_end_with_parent, daemon=True).start()
    main()
