"""How the tests make real faults: full and read-only disks, other users, frozen and killed processes."""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

NOBODY = 65534


@contextmanager
def mounted(folder: Path, size: str) -> Iterator[Callable[[str], None]]:
    """Put a small disk at *folder*; gives what mounts it again with other options."""
    folder.mkdir(parents=True, exist_ok=True)

    def mount(options: str) -> None:
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], capture_output=True, check=False
        )
        if done.returncode:
            pytest.skip("a small disk can't be mounted here: that takes root and the right to mount")

    if shutil.which("mount") is None:
        pytest.skip("there is no mount command")
    mount(f"size={size}")
    try:
        yield lambda options: mount(f"remount,{options}")
    finally:
        subprocess.run(["umount", str(folder)], check=True)


@contextmanager
def file_size_limit(size: int) -> Iterator[None]:
    """Let no file of this process grow beyond *size* bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def as_nobody(work: Callable[[], Any]) -> Any:
    """Return what *work* returns in a process without root's rights, for which permissions count."""
    if os.geteuid() != 0:
        return work()
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.setgroups([])
        os.setgid(NOBODY)
        os.setuid(NOBODY)
        try:
            answer = json.dumps([work()])
        except BaseException as error:  # noqa: BLE001 - told in the parent
            answer = json.dumps({"error": repr(error)})
        os.write(writer, answer.encode())
        os._exit(0)
    os.close(writer)
    answer = json.loads(os.read(reader, 65536))
    os.close(reader)
    os.waitpid(child, 0)
    assert isinstance(answer, list), answer
    return answer[0]


@contextmanager
def process_holding_lock(path: Path) -> Iterator[subprocess.Popen[str]]:
    """Start a process that holds the lock of *path*."""
    program = (
        "import sys, time, filelock\n"
        "lock = filelock.FileLock(sys.argv[1] + '.lock')\n"
        "lock.acquire(); print('held', flush=True); time.sleep(600)"
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    process = subprocess.Popen([sys.executable, "-c", program, str(path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    try:
        yield process
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()


@contextmanager
def answering(answer: bytes, then: bytes = b"") -> Iterator[int]:
    """Listen on a port, which is given; send *answer* to whatever comes, then *then* again and again."""
    over = threading.Event()

    def serve(taken: socket.socket) -> None:
        with taken, suppress(OSError):
            while not over.is_set() and taken.recv(65536):
                taken.sendall(answer)
                while then and not over.wait(0.02):
                    taken.sendall(then)

    def listen() -> None:
        with suppress(OSError):
            while True:
                threading.Thread(target=serve, args=[listener.accept()[0]], daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=listen, daemon=True).start()
        yield listener.getsockname()[1]
        over.set()
        listener.shutdown(socket.SHUT_RDWR)
