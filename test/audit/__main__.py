# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Check the pinned packages' licences, and what is known of their vulnerabilities: `make audit`."""

from __future__ import annotations

import importlib.util
import sys

from audit import licences, vulnerabilities
from audit.pins import read_pins


def main() -> int:
    """Print a line for everything found; 1 when that is anything."""
    pins = read_pins()
    found = licences.complaints(pins)
    if importlib.util.find_spec('pip_audit') is None:
        found.append('pip-audit is not installed; `make venv` does it')
    else:
        try:
            findings = vulnerabilities.search(pins)
            found += findings.complaints
            if findings.unknown:
                tell(f'vulnerabilities not known of: {", ".join(findings.unknown)}')
        except vulnerabilities.NoAnswerError as error:
            tell(f'vulnerabilities not checked: {error}')
    for line in found:
        tell(line)
    return 1 if found else 0


def tell(line: str) -> None:
    sys.stderr.write(f'audit: {line}\n')


if __name__ == '__main__':
    sys.exit(main())
