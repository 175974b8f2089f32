# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""What the experiments measured: a CSV file to which every run adds its row.

The file outlives the runs that write to it, so a run that is killed in the middle of its row must
cost that row only. A last line that is torn is skipped when reading, and moved to ``<file>.torn``
by the next run.
"""

from __future__ import annotations

import csv
import errno
import fcntl
import io
import logging
import os
from datetime import datetime, timezone
from io import RawIOBase
from pathlib import Path
from typing import Annotated, Literal, TypeVar

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    model_validator,
)

from mm_perception.errors import TrainingError

_LOGGER = logging.getLogger(__name__)
_DAYS = {  # a time outside of these is a clock that was never set
    'ge': datetime(2000, 1, 1, tzinfo=timezone.utc),
    'lt': datetime(3000, 1, 1, tzinfo=timezone.utc),
}

Missing = Literal['', 'zero fill', 'iterative', 'kl']
RecipeName = Annotated[
    str, StringConstraints(pattern=r'^(paper|shortened|longer|quick|ours|own(-[0-9a-f]{6})?)$')
]
"""``own-`` and a fingerprint: of a user's file, so that two of them are not taken for one."""
Metric = Literal['accuracy', 'lrap']


def _rounded(value: float) -> float:
    return round(value, 4)


def _utc(time: datetime) -> datetime:
    return time.astimezone(timezone.utc).replace(microsecond=0)


def _now() -> datetime:
    return _utc(datetime.now(timezone.utc))


T = TypeVar('T')
Optional = Annotated[T | None, BeforeValidator(lambda value: None if value == '' else value)]
Line = Annotated[str, StringConstraints(pattern=r'^[^\r\n\x00]*$')]
Name = Annotated[str, StringConstraints(pattern=r'^[^\r\n\x00]+$')]
Count = Annotated[int, Field(ge=1)]
Weight = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Seconds = Annotated[Weight, AfterValidator(_rounded)]
Percent = Annotated[float, Field(ge=0, le=100), AfterValidator(_rounded)]


class Result(BaseModel):
    """A trained model's scores with one way to meet a missing modality; the file's columns.

    x is the first modality (left half, rotated digit, RGB, image), w the second, xw both together.
    """

    model_config = ConfigDict(frozen=True, extra='forbid')

    time: Annotated[AwareDatetime, Field(**_DAYS), AfterValidator(_utc)] = Field(
        default_factory=_now, description='When measured, UTC.'
    )
    commit: Line = Field(
        description="The code's; + where it had changes, empty outside git. After a stop, that of "
        'the process that ended it.'
    )
    machine: Line = Field(
        description='What computed: CPU and threads, or GPU; bfloat16 products. After a stop, '
        'likewise.'
    )
    device: Name = Field(description='cpu or cuda.')
    seconds: Seconds = Field(
        description='Of the training by the clock, in all its processes; in the first rows, in the '
        'last one alone.'
    )
    data: Name = Field(description='hmMNIST, nmMNIST(pi/4, 0.5), Washington RGB-D, …')
    model: Name = Field(description='ss_hmvae_kl, …')
    missing: Missing = Field('', description='How a missing modality is met; empty: not asked.')
    labels: Name = Field(description='Number or share of labelled items: 100, all, 5%.')
    a: Optional[Count] = Field(None, description='Dimension of a.')
    alpha: Optional[Weight] = Field(None, description="Weight of the classifier's loss (eq. 6).")
    beta: Optional[Weight] = Field(None, description='Weight of the divergence (eq. 13).')
    recipe: RecipeName = Field(description='paper, shortened, longer, quick, ours, or own-….')
    epochs: int = Field(ge=0, description='Passes over the unlabelled items.')
    seed: int = Field(description="The run's seed.")
    split: Optional[Count] = Field(None, description="One of the dataset's own train/test splits.")
    metric: Metric = Field('accuracy', description='What x, w and xw are, in per cent.')
    x: Optional[Percent] = Field(None, description='Given x alone.')
    w: Optional[Percent] = Field(None, description='Given w alone.')
    xw: Optional[Percent] = Field(None, description='Given both.')
    ece_x: Optional[Percent] = Field(None, description='Expected calibration error, in per cent.')
    ece_w: Optional[Percent] = Field(None, description='The same, given w alone.')
    ece_xw: Optional[Percent] = Field(None, description='The same, given both.')

    @model_validator(mode='after')
    def _is_measured(self) -> Result:
        if self.x is None and self.w is None and self.xw is None:
            raise ValueError('one of x, w and xw has to be measured')
        return self


COLUMNS = tuple(Result.model_fields)
_HEADER = ','.join(COLUMNS).encode()


def lasting(epochs: int, published: int) -> RecipeName:
    """Name the paper's recipe by how many epochs it is given, and how many the paper has."""
    if epochs == published:
        return 'paper'
    return 'shortened' if epochs < published else 'longer'


def append(path: Path, result: Result) -> None:
    """Add a row to the file, which is made where it is not there; several processes may.

    A torn last line is moved to ``<file>.torn`` first, with a warning.

    Raises:
        TrainingError: The file holds something else, or cannot be written. The message then has
            the row, so that the run is not lost.

    """
    row = _row(result)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open('a+b', buffering=0) as file:
            fcntl.flock(file, fcntl.LOCK_EX)  # freed when the file is closed
            file.seek(0)
            content = file.read()
            _check_header(path, content)
            whole = _whole(content)
            if whole < len(content):
                _put_aside(path, content[whole:])
                file.truncate(whole)
            _write(file, row if whole else _HEADER + b'\n' + row)
    except (OSError, TrainingError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise TrainingError(
            f'{path}: this result could not be added, add it by hand: {row.decode().rstrip()} '
            f'({reason})'
        ) from error


def read(path: Path) -> list[Result]:
    """Read all rows, in the file's order; none where there is no file yet.

    A torn last line is skipped with a warning.

    Raises:
        TrainingError: The file cannot be read, or a line that is not its torn last is not a result.

    """
    if not path.exists():
        return []
    try:
        content = path.read_bytes()
    except OSError as error:
        raise TrainingError(
            f'{path}: cannot be read ({error.strerror}); name another file of results'
        ) from error
    _check_header(path, content)
    whole = _whole(content)
    lines = content[:whole].split(b'\n')[:-1]
    if whole < len(content):
        _LOGGER.warning('%s, line %d: torn, its run was interrupted; skipped', path, len(lines) + 1)
    return [_result(f'{path}, line {i}', line) for i, line in enumerate(lines[1:], start=2)]


def _row(result: Result) -> bytes:
    values = (getattr(result, name) for name in COLUMNS)
    text = io.StringIO()
    csv.writer(text, lineterminator='\n').writerow(_text(value) for value in values)
    return text.getvalue().encode()


def _text(value: object) -> str:
    if value is None:
        return ''
    if isinstance(value, datetime):
        return value.isoformat().replace('+00:00', 'Z')
    return str(value).removesuffix('.0') if isinstance(value, float) else str(value)


def _check_header(path: Path, content: bytes) -> None:
    first, newline, _ = content.partition(b'\n')
    torn = not newline and _HEADER.startswith(first)  # or there is nothing yet
    if first.removesuffix(b'\r') == _HEADER or torn:
        return
    found = first.decode(errors='replace').rstrip('\r').split(',')
    pairs = zip([*found, ''], [*COLUMNS, ''], strict=False)
    number, (name, right) = next((i, p) for i, p in enumerate(pairs, 1) if p[0] != p[1])
    raise TrainingError(
        f'{path}, line 1, column {number}: the header has {name[:40]!r} in place of {right!r}, so '
        'this is not a file of results of this version; name another, or restore its header: '
        f'{_HEADER.decode()}'
    )


def _whole(content: bytes) -> int:
    """Give the length of the content without a torn last line."""
    end = content.rfind(b'\n') + 1
    if end < len(content):
        return end  # even where all columns are there, its last number may lack digits
    start = content.rfind(b'\n', 0, max(end - 1, 0)) + 1
    return start if start > 0 and len(_cells(content[start:end])) < len(COLUMNS) else end


def _cells(line: bytes) -> list[str]:
    return next(csv.reader([line.decode(errors='replace').rstrip('\r\n')]), [])


def _write(file: RawIOBase, line: bytes) -> None:
    if file.write(line) != len(line):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    os.fsync(file.fileno())


def _put_aside(path: Path, torn: bytes) -> None:
    aside = path.with_name(f'{path.name}.torn')
    with aside.open('ab') as file:
        file.write(torn.removesuffix(b'\n') + b'\n')
        file.flush()
        os.fsync(file.fileno())
    _LOGGER.warning('%s: its last line was torn by an interruption; moved to %s', path, aside)


def _result(place: str, line: bytes) -> Result:
    cells = _cells(line)
    if len(cells) != len(COLUMNS):
        column = min(len(cells), len(COLUMNS)) + 1
        raise TrainingError(
            f'{place}, column {column}: {len(cells)} columns in place of {len(COLUMNS)}; correct '
            'the line, or take it out'
        )
    try:
        line.decode()
        return Result.model_validate(dict(zip(COLUMNS, cells, strict=True)))
    except UnicodeDecodeError as error:
        name = COLUMNS[next((i for i, cell in enumerate(cells) if '�' in cell), 0)]
        raise TrainingError(
            f'{place}, column {name}: not UTF-8; correct the line, or take it out'
        ) from error
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        name = str(first['loc'][0]) if first['loc'] else 'x'
        raise TrainingError(
            f'{place}, column {name}: {cells[COLUMNS.index(name)]!r}: {first["msg"]}; correct the '
            'line, or take it out'
        ) from error
