# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Known vulnerabilities of the pinned packages, by pip-audit.

Its database is asked over the network. Where that is not to be had nothing is learned, which is
said and is no fault: the question before all is whether it knows of a package that everybody knows
to be vulnerable. Without, an answer to the rest would mean nothing either.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from audit.accepted import VULNERABILITIES, Ignored

_KNOWN = {'jinja2': '2.11.2'}  # CVE-2020-28493, and others since
_SECONDS = 5  # for the database to answer a question
_MINUTES = 5 * 60  # seconds for all of them


class NoAnswerError(Exception):
    """The database cannot be asked."""


@dataclass(frozen=True)
class Findings:
    """What the database said.

    Attributes:
        complaints: A line for each vulnerability that is known and not ignored.
        unknown: The packages that it does not know.

    """

    complaints: list[str]
    unknown: list[str]


def search(
    pins: Mapping[str, str],
    *options: str,
    ignored: Mapping[str, Ignored] = VULNERABILITIES,
    today: date | None = None,
) -> Findings:
    """Look the pinned packages up.

    Args:
        pins: The version of every package.
        options: For pip-audit.
        ignored: The vulnerabilities that may pass, until their day.
        today: The day.

    Raises:
        NoAnswerError: The database cannot be asked, or does not know what it must.

    """
    if not any(known.get('vulns') for known in _ask(_KNOWN, *options)):
        ((name, pin),) = _KNOWN.items()
        raise NoAnswerError(
            f'no database can be asked from here that knows {name} {pin}, which is vulnerable'
        )
    packages = _ask(pins, *options)
    day, lines = today or date.today(), []  # noqa: DTZ011 - as whoever wrote the date counts
    for package in packages:
        for flaw in package.get('vulns', ()):
            names = [flaw['id'], *sorted(flaw['aliases'])]
            excuse = next((ignored[name] for name in names if name in ignored), None)
            if excuse is None or excuse.until < day:
                lines.append(_line(package, flaw, names, excuse))
    return Findings(lines, [p['name'] for p in packages if 'vulns' not in p])


def _line(
    package: Mapping[str, Any], flaw: Mapping[str, Any], names: list[str], excuse: Ignored | None
) -> str:
    fixed = ', '.join(flaw['fix_versions'])
    way_out = f'fixed in {fixed}: move the pin on' if fixed else 'not fixed yet'
    if excuse is not None:
        way_out += f'; it was ignored until {excuse.until}: {excuse.reason}'
    return f'{package["name"]} {package["version"]}: {" = ".join(names)}: {way_out}'


def _ask(pins: Mapping[str, str], *options: str) -> list[dict[str, Any]]:
    """Ask for some packages; what the database does not know has no ``vulns``."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / 'pins.txt'
        file.write_text(''.join(f'{name}=={pin}\n' for name, pin in pins.items()))
        command = [sys.executable, '-m', 'pip_audit', '--requirement', str(file), '--format=json']
        command += ['--no-deps', '--disable-pip', '--progress-spinner=off', '--aliases=on']
        command += [f'--timeout={_SECONDS}', *options]
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, timeout=_MINUTES, check=False
            )
            packages: list[dict[str, Any]] = json.loads(done.stdout)['dependencies']
        except subprocess.TimeoutExpired as error:
            raise NoAnswerError(f'no end within {_MINUTES} s') from error
        except (ValueError, KeyError) as error:
            last = done.stderr.strip().splitlines()[-1:] or ['pip-audit said nothing']
            raise NoAnswerError(last[0]) from error
    return packages
