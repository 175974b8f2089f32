# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Install the two packages, and what ROS looks for beside them, by colcon as by pip."""

from __future__ import annotations

import sys
from pathlib import Path

from setuptools import find_packages, setup

NAME = 'mm_perception'
HERE = Path(__file__).parent
SHARE = Path('share') / NAME

# colcon (`setup.py install` and `develop`) writes the entry points to lib/mm_perception, as
# setup.cfg says. pip builds a wheel, whose entry points go to bin: there, relays stand in their
# place, so that `ros2 run` and `ros2 launch` find them after `pip install .` too.
BUILDS_A_WHEEL = not {'bdist_wheel', 'editable_wheel'}.isdisjoint(sys.argv)


def files_below(folder: str) -> list[tuple[str, list[str]]]:
    """Give each folder below ``folder`` with its files, to be installed under share/."""
    rows: dict[str, list[str]] = {}
    for path in sorted((HERE / folder).rglob('*')):
        if path.is_file() and path.suffix != '.pyc':
            place = path.relative_to(HERE)
            rows.setdefault(str(SHARE / place.parent), []).append(str(place))
    return list(rows.items())


def templates_of(package: str) -> list[str]:
    """Give a package's report templates one by one: old setuptools know no ``**``."""
    return sorted(str(path.relative_to(HERE / package)) for path in HERE.glob(f'{package}/**/*.j2'))


setup(
    name=NAME,
    version='0.1.0',
    description='Labels what an RGB-D camera sees, and goes on when one of its sensors fails',
    author='The mm_perception authors',
    maintainer='The mm_perception authors',
    maintainer_email='maintainers@mm-perception.example',
    license='Apache-2.0',
    python_requires='>=3.10',
    packages=find_packages(include=[NAME, f'{NAME}.*', 'training', 'training.*']),
    package_data={
        NAME: ['py.typed'],
        'training': [
            'py.typed',
            'labelling/page/*',
            'paper/results.csv',
            *templates_of('training'),
        ],
    },
    data_files=[
        ('share/ament_index/resource_index/packages', [f'resource/{NAME}']),
        (str(SHARE), ['package.xml']),
        *files_below('launch'),
        *files_below('config'),
        *(
            [(f'lib/{NAME}', ['resource/lib/perception_node', 'resource/lib/train'])]
            if BUILDS_A_WHEEL
            else []
        ),
    ],
    zip_safe=False,
    # What the robot needs. OpenCV is needed as well, but on a machine with ROS it is apt's, which
    # cv_bridge is built against and which pip does not see: the extras `ros` and `train` bring it.
    install_requires=[
        'PyYAML',
        'numpy>=1.21',
        'pydantic>=2.10',
        'safetensors',
        'torch>=2.6',
        'torchvision>=0.21',
    ],
    extras_require={
        # ROS 2 Jazzy's client library for a machine that has no ROS.
        'ros': [
            'opencv-python-headless',
            'ros-diagnostic-msgs==5.3.6',
            'ros-rclpy[fastrtps]==7.1.6',
            'ros-sensor-msgs==5.3.6',
            'ros-std-srvs==5.3.6',
        ],
        # A faster engine on the robot's CPU; without it torch does the work.
        'openvino': ['openvino'],
        # What the workstation needs to simulate, to read bags, to label, to learn and to report.
        'train': [
            'backports.zstd; python_version < "3.14"',
            'embreex',
            'jinja2',
            'markupsafe',
            'matplotlib',
            'nncf',
            'opencv-python-headless',
            'openvino',
            'rich',
            'rosbags',
            'scikit-learn',
            'starlette',
            'trimesh',
            'typer',
            'uvicorn',
        ],
        # Logs of losses and accuracy, for `train fit --tensorboard`.
        'tensorboard': ['tensorboard'],
        'test': [
            'catkin_pkg',
            'hypothesis',
            'mypy',
            'pip-audit',
            'pytest',
            'pytest-benchmark',
            'pytest-timeout',
            'pytest-xdist',
            'ruff',
            'selenium',
            'setuptools>=70.1,<80',
            'tensorboard',
            'types-PyYAML',
        ],
    },
    entry_points={
        'console_scripts': [
            'perception_node = mm_perception.interface.executable:main',
            'train = training.cli:main',
        ],
    },
)
