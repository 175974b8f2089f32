# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Builds vision_msgs where ROS comes from PyPI, which has all but it: by ROS's own generators.

Of its messages (ros-perception/vision_msgs, branch ros2) those that the node speaks or hears.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

NAME = 'vision_msgs'
MESSAGES = {
    'Point2D': 'float64 x\nfloat64 y',
    'Pose2D': 'vision_msgs/Point2D position\nfloat64 theta',
    'BoundingBox2D': 'vision_msgs/Pose2D center\nfloat64 size_x\nfloat64 size_y',
    'ObjectHypothesis': 'string class_id\nfloat64 score',
    'ObjectHypothesisWithPose': (
        'ObjectHypothesis hypothesis\ngeometry_msgs/PoseWithCovariance pose'
    ),
    'Detection2D': (
        'std_msgs/Header header\nObjectHypothesisWithPose[] results\nBoundingBox2D bbox\nstring id'
    ),
    'Detection2DArray': 'std_msgs/Header header\nDetection2D[] detections',
    'Classification': 'std_msgs/Header header\nObjectHypothesis[] results',
}
USED = ('std_msgs', 'geometry_msgs', 'builtin_interfaces')
FASTRTPS, INTROSPECTION = 'rosidl_typesupport_fastrtps_c', 'rosidl_typesupport_introspection_c'
GENERATOR, SUPPORT, PYTHON = 'rosidl_generator_c', 'rosidl_typesupport_c', 'rosidl_generator_py'
PREFIX = Path(sys.prefix)


def why_not() -> str:
    """Say what is missing to build it; empty: nothing."""
    headers = Path(sysconfig.get_paths()['include'], 'Python.h')
    needed = {
        'a C++ compiler': shutil.which('g++') is not None,
        "Python's headers": headers.is_file(),
        "ROS's generators": (PREFIX / 'share' / PYTHON).is_dir(),
    }
    return ', '.join(name for name, there in needed.items() if not there)


def build(folder: Path) -> dict[str, str]:
    """Build the package; return what a process needs in its environment to import it."""
    sources = _generate(folder)
    _compile(folder, sources)
    found = {'PYTHONPATH': folder / 'python', 'LD_LIBRARY_PATH': folder / 'lib'}
    return {
        variable: os.pathsep.join([str(path), *filter(None, [os.environ.get(variable)])])
        for variable, path in found.items()
    }


def _generate(folder: Path) -> Path:
    """Write the code; return the folder of its C."""
    (folder / 'msg').mkdir(parents=True)
    translate = import_module('rosidl_adapter.msg').convert_msg_to_idl
    for name, text in MESSAGES.items():
        file = Path('msg', f'{name}.msg')
        (folder / file).write_text(f'{text}\n')
        translate(folder, NAME, file, folder / 'idl' / 'msg')
    code, apart, python = folder / 'c' / NAME, folder / 'apart' / NAME, folder / 'python' / NAME
    used = {'include_paths': [f'{name}:{PREFIX / "share" / name}' for name in USED]}
    hashes = import_module('rosidl_generator_type_description')
    hashes.generate_type_hash(_arguments(folder, code, GENERATOR, used))
    described = [f'msg/{name}.idl:{code}/msg/{name}.json' for name in MESSAGES]
    for module, place, function, more in (
        (GENERATOR, code, 'generate_c', ()),
        (FASTRTPS, code, 'generate_typesupport_fastrtps_c', ()),
        (INTROSPECTION, apart, 'generate_c', ()),  # its files are called as the generator's are
        (SUPPORT, code, 'generate_c', ([FASTRTPS, INTROSPECTION],)),
        (PYTHON, python, 'generate_py', ([SUPPORT],)),
    ):
        known = {} if module == PYTHON else {'type_description_tuples': described}
        arguments = _arguments(folder, place, module, known)
        getattr(import_module(module), function)(arguments, *more)
        for template in (PREFIX / 'share' / module / 'resource').glob('*visibility_control.h.in'):
            text = template.read_text().replace('@PROJECT_NAME@', NAME)
            text = text.replace('@PROJECT_NAME_UPPER@', NAME.upper())
            (place / 'msg' / template.stem).write_text(text)
    (python / '__init__.py').touch()
    return code


def _arguments(folder: Path, place: Path, module: str, more: Mapping[str, Any]) -> str:
    """Write the file that a generator takes its arguments from."""
    place.mkdir(parents=True, exist_ok=True)
    file = folder / f'{module}.json'
    arguments = {
        'package_name': NAME,
        'output_dir': str(place),
        'template_dir': str(PREFIX / 'share' / module / 'resource'),
        'idl_tuples': [f'{folder / "idl"}:msg/{name}.idl' for name in MESSAGES],
        'ros_interface_files': [str(folder / 'msg' / f'{name}.msg') for name in MESSAGES],
        'target_dependencies': [],
        **more,
    }
    file.write_text(json.dumps(arguments))
    return str(file)


def _compile(folder: Path, code: Path) -> None:
    numpy = import_module('numpy')
    (folder / 'lib').mkdir()
    headers = [folder / 'c', folder / 'apart', PREFIX / 'include', numpy.get_include()]
    headers += [*(PREFIX / 'include').iterdir(), sysconfig.get_paths()['include']]
    detail, python = code / 'msg' / 'detail', folder / 'python' / NAME

    def library(kind: str, files: Iterable[Path], *needed: str, to: Path | None = None) -> None:
        target = to or folder / 'lib' / f'lib{NAME}__{kind}.so'
        places = (folder / 'lib', PREFIX / 'lib')
        sources = sorted(files)
        compiler = 'g++' if sources[0].suffix == '.cpp' else 'gcc'
        command = [compiler, '-shared', '-fPIC', '-w', '-Wl,--allow-shlib-undefined']
        command += ['-o', str(target), *map(str, sources), *(f'-I{path}' for path in headers)]
        command += [f'-L{path}' for path in places] + [f'-Wl,-rpath,{path}' for path in places]
        subprocess.run([*command, *(f'-l{name}' for name in needed)], check=True)

    def of(kind: str, *packages: str) -> list[str]:
        return [f'{package}__{kind}' for package in packages]

    mine = f'{NAME}__{GENERATOR}'
    c = [f for f in detail.glob('*.c') if '__rosidl' not in f.name]
    library(GENERATOR, c, 'rosidl_runtime_c', *of(GENERATOR, *USED))
    shared = ('fastcdr', FASTRTPS, 'rosidl_typesupport_fastrtps_cpp')
    library(FASTRTPS, detail.glob('*.cpp'), mine, *shared, *of(FASTRTPS, *USED))
    apart = folder / 'apart' / NAME / 'msg' / 'detail'
    library(INTROSPECTION, apart.glob('*.c'), mine, INTROSPECTION, *of(INTROSPECTION, *USED))
    dispatched = (SUPPORT, *of(FASTRTPS, NAME), *of(INTROSPECTION, NAME))
    library(SUPPORT, (code / 'msg').glob('*.cpp'), mine, *dispatched)
    library(PYTHON, (python / 'msg').glob('*.c'), mine, *of(PYTHON, *USED[:2]))
    entry = [python / f'_{NAME}_s.ep.{SUPPORT}.c']
    bound = (*of(PYTHON, NAME), *of(SUPPORT, NAME), 'rosidl_runtime_c')
    library('python', entry, *bound, to=python / f'{NAME}_s__{SUPPORT}.so')
