# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""SROS 2, enforced: with keys and the policy the node labels; without keys nobody reaches it.

Keys are made by sros2, and used by a DDS that was built with security. Where one of the two is
missing, as in the wheels that the tests run with by default, what is left is that the node does
not start unprotected. test_sros2.py compares the policy with the node everywhere.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from lifecycle_msgs.srv import ChangeState
from outside import DOMAIN, PATIENCE, Camera, NodeProcess, Outside, until
from participant import Participant
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import Image
from std_msgs.msg import String

from mm_perception.observation import Modality
from training.live.environment import live_environment

POLICY = Path(__file__).parents[2] / 'config' / 'sros2' / 'policy.xml'
ENCLAVE = '/mm_perception'
NO_SECURITY = 'security libraries'  # what rmw_fastrtps says that was built without
SILENCE = 3.0  # seconds in which a stranger would have found what there is to find

# A camera that also hears the labels, and somebody else on the robot, of the same authority.
OTHERS = """
<policy version="0.2.0">
  <enclaves>
    <enclave path="/camera">
      <profiles>
        <profile ns="/" node="camera">
          <topics publish="ALLOW" subscribe="ALLOW"><topic>/parameter_events</topic></topics>
          <topics publish="ALLOW">
            <topic>/rosout</topic>
            <topic>rgb/image</topic>
            <topic>depth/image</topic>
          </topics>
          <topics subscribe="ALLOW"><topic>object_label</topic></topics>
          <services reply="ALLOW">
            <service>~/describe_parameters</service>
            <service>~/get_parameter_types</service>
            <service>~/get_parameters</service>
            <service>~/list_parameters</service>
            <service>~/set_parameters</service>
            <service>~/set_parameters_atomically</service>
            <service>~/get_type_description</service>
          </services>
        </profile>
      </profiles>
    </enclave>
  </enclaves>
</policy>
"""


# In a process of its own, as `ros2 security` is: its libraries bring another OpenSSL than DDS.
KEYS = """
import sys
from pathlib import Path
from sros2.keystore import create_enclave, create_keystore, create_permission

store, *words = sys.argv[1:]
create_keystore(Path(store))
for enclave, policy in zip(words[::2], words[1::2]):
    create_enclave(Path(store), enclave)
    create_permission(Path(store), enclave, Path(policy))
"""


def protected(keystore: Path) -> dict[str, str]:
    return {
        'ROS_SECURITY_ENABLE': 'true',
        'ROS_SECURITY_STRATEGY': 'Enforce',
        'ROS_SECURITY_KEYSTORE': str(keystore),
    }


def node_command(*arguments: str) -> list[str]:
    return [sys.executable, '-m', 'mm_perception.node', '--ros-args', *arguments]


@pytest.fixture(scope='module')
def keystore(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Keys and permissions for our node, by its own policy, and for a camera, as a user does."""
    if importlib.util.find_spec('sros2') is None:
        pytest.skip('sros2 is not installed')
    folder = tmp_path_factory.mktemp('sros2')
    store, others = folder / 'keystore', folder / 'others.xml'
    others.write_text(OTHERS)
    words = (store, ENCLAVE, POLICY, '/camera', others)
    done = subprocess.run(
        [sys.executable, '-c', KEYS, *words],
        env=live_environment(DOMAIN),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return store


@pytest.fixture(scope='module')
def node(keystore: Path, bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Our node under Enforce, active; its log."""
    log = tmp_path_factory.mktemp('node') / 'log'
    command = node_command('--enclave', ENCLAVE, '-p', f'model:={bundle}', '-p', 'autostart:=true')
    environment = live_environment(DOMAIN) | protected(keystore)
    with log.open('w') as file:
        process = subprocess.Popen(command, env=environment, stdout=file, stderr=subprocess.STDOUT)
    try:
        ends = ('active on', 'failed', 'refused')
        until(
            lambda: any(end in log.read_text() for end in ends) or process.poll() is not None,
            'the node',
        )
        if NO_SECURITY in log.read_text():
            pytest.skip('this DDS was built without security')
        assert 'active on' in log.read_text(), log.read_text()
        yield log
        assert process.poll() is None, log.read_text()
    finally:
        process.kill()
        process.wait()


class Member(Participant):
    """A participant of this process, with the keys of an enclave or with none."""

    def __init__(self, name: str, *arguments: str) -> None:
        super().__init__(name, DOMAIN, *arguments)
        self.labels: list[str] = []
        self._qos = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
        self.begin()

    def speak_and_listen(self) -> None:
        """Publish both images, and subscribe to the labels."""
        self._images = {
            m: self.node.create_publisher(Image, f'/{m}/image', self._qos) for m in Modality
        }
        self.node.create_subscription(
            String, '/object_label', lambda m: self.labels.append(m.data), 10
        )

    def publish(self, modality: Modality, message: Any) -> None:
        self._images[modality].publish(message)


@pytest.fixture
def permitted(
    keystore: Path,
    node: Path,  # noqa: ARG001 - to be there is its part
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Member]:
    with monkeypatch.context() as patch:
        for name, value in protected(keystore).items():
            patch.setenv(name, value)
        member = Member('camera', '--enclave', '/camera')
    yield member
    member.close()


@pytest.fixture
def stranger() -> Iterator[Member]:
    member = Member('stranger')
    yield member
    member.close()


def test_a_permitted_cameras_images_are_labelled_under_enforce(permitted: Member) -> None:
    permitted.speak_and_listen()
    sending = Camera(permitted.publish)
    try:
        until(lambda: len(permitted.labels) >= 3, 'three labels')
    finally:
        sending.stop()


def test_the_camera_may_do_no_more_than_its_permissions_say(permitted: Member) -> None:
    """That it has keys of our authority does not open the node's services and other topics."""
    with pytest.raises(Exception, match='create'):  # rclpy's RCLError
        permitted.node.create_client(ChangeState, f'{ENCLAVE}/change_state')
    with pytest.raises(Exception, match='create'):
        permitted.node.create_subscription(Image, f'{ENCLAVE}/annotated', print, 1)


def test_without_keys_nothing_is_seen_and_nobody_reached(
    permitted: Member, stranger: Member
) -> None:
    permitted.speak_and_listen()
    stranger.speak_and_listen()
    asking = stranger.node.create_client(ChangeState, f'{ENCLAVE}/change_state')
    # The stranger's images are whole, and the camera is silent: any label would be of them.
    sending = Camera(stranger.publish)
    try:
        time.sleep(SILENCE)
        assert permitted.labels == stranger.labels == []
        until(lambda: len(sending.sent[Modality.RGB]) > SILENCE * sending.rate / 2, 'its images')
    finally:
        sending.stop()
    # Nor does it hear what the node says to those that it knows.
    sending = Camera(permitted.publish)
    try:
        until(lambda: permitted.labels, 'a label for the camera')
        time.sleep(SILENCE)
    finally:
        sending.stop()
    assert stranger.labels == []
    assert not asking.service_is_ready()
    assert {name for name in stranger.node.get_node_names() if name != 'stranger'} == set()


def test_the_node_cannot_hear_a_camera_that_its_policy_does_not_name(
    keystore: Path, node: Path, bundle: Path
) -> None:
    values = (f'model:={bundle}', 'autostart:=true')
    parameters = [word for value in values for word in ('-p', value)]
    elsewhere = ('-r', 'rgb/image:=/door/image_raw')
    environment = live_environment(DOMAIN) | protected(keystore)
    log = node.with_name('elsewhere')
    with log.open('w') as file:
        process = subprocess.Popen(
            node_command('--enclave', ENCLAVE, *elsewhere, *parameters),
            env=environment,
            stdout=file,
            stderr=subprocess.STDOUT,
        )
    try:
        until(lambda: 'activate failed' in log.read_text(), 'the refusal')
        assert 'active on' not in log.read_text()
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize('there', [False, True], ids=['no enclave', 'an enclave without keys'])
def test_the_node_does_not_start_unprotected_where_protection_is_enforced(
    tmp_path: Path, there: bool
) -> None:
    if there:
        (tmp_path / 'enclaves' / 'mm_perception').mkdir(parents=True)
    done = subprocess.run(
        node_command('--enclave', ENCLAVE),
        env=live_environment(DOMAIN) | protected(tmp_path),
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )
    assert done.returncode == 2, done.stderr
    (told,) = [line for line in done.stderr.splitlines() if line.startswith('mm_perception: ')]
    assert str(tmp_path) in told or 'security' in told.lower(), done.stderr
    assert 'Traceback' not in done.stderr


def connections_of(pid: int) -> list[str]:
    """Every TCP socket of a process, and every UDP socket that has a fixed other end."""
    held = set()
    for end in Path(f'/proc/{pid}/fd').iterdir():
        with contextlib.suppress(OSError):  # closed meanwhile
            held.add(str(end.readlink()))
    found = []
    for protocol in ('tcp', 'tcp6', 'udp', 'udp6'):
        table = Path(f'/proc/{pid}/net/{protocol}')
        for line in table.read_text().splitlines()[1:] if table.exists() else ():
            _, local, remote, _, *_, inode = line.split()[:10]
            if f'socket:[{inode}]' in held and (protocol[:3] == 'tcp' or int(remote[-4:], 16)):
                found.append(f'{protocol} {local} -> {remote}')
    return found


@pytest.mark.skipif(not sys.platform.startswith('linux'), reason='reads /proc')
def test_the_working_node_has_no_connection_beside_dds(
    perception: NodeProcess, outside: Outside, camera: Camera
) -> None:
    """Fast DDS talks by shared memory and by UDP to whom it finds; anything else is connected."""
    outside.wait_for_labels('rgbd', 3)
    assert camera.sent
    assert connections_of(perception.process.pid) == []


@pytest.mark.skipif(not sys.platform.startswith('linux'), reason='reads /proc')
@pytest.mark.parametrize('kind', [socket.SOCK_STREAM, socket.SOCK_DGRAM], ids=['tcp', 'udp'])
def test_a_connection_would_be_seen(kind: socket.SocketKind) -> None:
    with socket.socket(socket.AF_INET, kind) as server, socket.socket(socket.AF_INET, kind) as end:
        server.bind(('127.0.0.1', 0))
        if kind is socket.SOCK_STREAM:
            server.listen()
        before = connections_of(os.getpid())
        end.connect(server.getsockname())
        assert len(connections_of(os.getpid())) == len(before) + 1
