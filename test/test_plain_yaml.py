# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from mm_perception import plain_yaml

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.floats(allow_nan=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(VALUES)
def test_what_yaml_writes_is_what_is_read(value: object) -> None:
    assert plain_yaml.parse(yaml.safe_dump(value)) == value


def test_a_file_is_read_to_its_end(tmp_path: Path) -> None:
    (tmp_path / 'a.yaml').write_text('[' + 'a, ' * 20_000 + 'ä]', encoding='utf-8')
    assert plain_yaml.load(tmp_path / 'a.yaml')[-1] == 'ä'
    with pytest.raises(OSError, match='No such file'):
        plain_yaml.load(tmp_path / 'b.yaml')


@pytest.mark.parametrize(
    ('text', 'why'),
    [
        ('a: &x 1\nb: *x', 'anchors'),
        ('&x [*x]', 'anchors'),
        ('[' * 5000, 'nested deeper than 30 levels'),
        ('- ' * 60_000, 'nested deeper than 30 levels'),
        ('a ' * plain_yaml.MOST, 'longer than'),
        ('9' * 5000, '5000 digits'),
        ('1:' * 2000 + '1.5', '4003 digits'),
        ('2001-99-99', 'month must be in'),
        ('!!timestamp x', 'cannot be read'),
        ('!!int ""', 'cannot be read'),
        ('!!float x', 'cannot be read'),
        ('"\\U7fffffff"', 'cannot be read'),
        ('!!python/name:os.system', 'could not determine a constructor'),
        ('a: [', 'expected the node content'),
        ('\0', 'not allowed'),
    ],
)
def test_every_other_text_is_refused_with_one_kind_of_error(text: str, why: str) -> None:
    with pytest.raises(yaml.YAMLError, match=why):
        plain_yaml.parse(text)


def test_a_file_that_is_not_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / 'a.yaml').write_bytes(b'a: \xff')
    with pytest.raises(yaml.YAMLError, match='not UTF-8'):
        plain_yaml.load(tmp_path / 'a.yaml')


def test_a_file_without_end_is_read_no_further_than_is_allowed() -> None:
    with pytest.raises(yaml.YAMLError, match='longer than'):
        plain_yaml.load(Path('/dev/zero'))
