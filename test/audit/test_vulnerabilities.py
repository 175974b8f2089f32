# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""pip-audit itself, asking a database on this machine that knows what the tests want."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from datetime import date, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from audit.accepted import Ignored
from audit.pins import read_pins
from audit.vulnerabilities import _KNOWN, NoAnswerError, search

pytest.importorskip('pip_audit', reason='pip-audit is not installed')

PINS = {'pyyaml': '5.3', 'numpy': '2.2.6'}
REASON = 'yaml.load is never called'
DAY = date(2026, 6, 1)


def flaw(name: str, identifier: str, *aliases: str, fixed: str = '') -> dict[str, Any]:
    events = [{'introduced': '0'}, *([{'fixed': fixed}] if fixed else [])]
    affected = {
        'package': {'name': name, 'ecosystem': 'PyPI'},
        'ranges': [{'type': 'ECOSYSTEM', 'events': events}],
    }
    return {'id': identifier, 'aliases': [*aliases], 'summary': 'x\ny', 'affected': [affected]}


class Database(ThreadingHTTPServer):
    """Answers like OSV's: with the flaws of the package that it is asked for."""

    def __init__(self) -> None:
        super().__init__(('127.0.0.1', 0), Answer)
        self.flaws: dict[str, list[dict[str, Any]]] = {}
        self.asked: list[str] = []

    @property
    def options(self) -> tuple[str, ...]:
        address = f'http://127.0.0.1:{self.server_port}'
        return '--vulnerability-service=osv', f'--osv-url={address}'


class Answer(BaseHTTPRequestHandler):
    server: Database

    def do_POST(self) -> None:
        question = json.loads(self.rfile.read(int(self.headers['Content-Length'])))
        name = question['package']['name']
        self.server.asked.append(f'{name} {question["version"]}')
        found = self.server.flaws.get(name)
        body = json.dumps({'vulns': found} if found else {}).encode()
        self.send_response(200)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def database(monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    monkeypatch.setenv('NO_PROXY', '127.0.0.1')
    with Database() as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        (known,) = _KNOWN
        server.flaws[known] = [flaw(known, 'PYSEC-2021-66')]
        yield server
        server.shutdown()
        thread.join()


def test_a_known_vulnerability_is_one_line_with_the_way_out(database: Database) -> None:
    database.flaws['pyyaml'] = [flaw('pyyaml', 'PYSEC-2020-176', 'CVE-2020-14343', fixed='5.4')]
    found = search(PINS, *database.options)
    assert found.complaints == [
        'pyyaml 5.3: PYSEC-2020-176 = CVE-2020-14343: fixed in 5.4: move the pin on'
    ]
    assert database.asked[1:] == ['pyyaml 5.3', 'numpy 2.2.6']


def test_what_is_ignored_by_any_of_its_names_passes_until_its_day(database: Database) -> None:
    database.flaws['pyyaml'] = [
        flaw('pyyaml', 'PYSEC-2020-176', 'CVE-2020-14343'),
        flaw('pyyaml', 'PYSEC-2020-96', 'CVE-2020-1747'),
        flaw('pyyaml', 'PYSEC-2018-49', 'CVE-2017-18342'),
    ]
    ignored = {
        'PYSEC-2020-176': Ignored(REASON, DAY),
        'CVE-2020-1747': Ignored(REASON, DAY),
        'PYSEC-2018-49': Ignored(REASON, DAY - timedelta(days=1)),
    }
    (line,) = search(PINS, *database.options, ignored=ignored, today=DAY).complaints
    assert line.startswith('pyyaml 5.3: PYSEC-2018-49 = CVE-2017-18342: not fixed yet')
    assert f'it was ignored until 2026-05-31: {REASON}' in line


def test_a_database_that_knows_nothing_is_no_clean_bill(database: Database) -> None:
    database.flaws.clear()
    with pytest.raises(NoAnswerError, match='no database can be asked'):
        search(PINS, *database.options)
    assert len(database.asked) == 1  # nothing else was asked for


def test_a_database_out_of_reach_is_told_in_one_line(database: Database) -> None:
    database.server_close()
    with pytest.raises(NoAnswerError) as caught:
        search(PINS, *database.options)
    assert str(caught.value)
    assert '\n' not in str(caught.value)


def test_nothing_is_ignored_without_a_reason() -> None:
    with pytest.raises(ValueError, match='needs a reason'):
        Ignored(' ', DAY)


def test_pins_are_those_of_this_python(tmp_path: Path) -> None:
    file = tmp_path / 'constraints.txt'
    file.write_text(
        "# why\na==1.0\n\nb==2.0 ; python_version < '3'\nb==3.0.post1 ; python_version >= '3'\n"
    )
    assert read_pins(file) == {'a': '1.0', 'b': '3.0.post1'}
