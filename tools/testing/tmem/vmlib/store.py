# SPDX-License-Identifier: GPL-2.0
"""The store of a guest with --transport virtio: tmemd, which serves this guest alone, unless it is told of another one."""

import hashlib
import os
import shutil
import subprocess
import tempfile
import time

import guardian
from house import Failure, REPO, cache, deps, lock, repository_files

CLIENT = 'guest'
SOURCES = ('tools/tmem', 'mm/tmem/store', 'include/uapi/linux')
KEPT = 20       # daemons of other states of the sources


def build(tool='tmemd', made=None):
    """A tool of this checkout, or its program of that name; the file's name in the cache tells of what sources, so others may build and run theirs."""
    deps('tmemd')
    digest = hashlib.sha256()
    for name in repository_files(*SOURCES):
        digest.update(name.encode() + b'\0' + (REPO / name).read_bytes() + b'\0')
    program = cache() / tool / digest.hexdigest()[:16]
    with lock(cache() / 'tmemd.lock', 'another build of tmemd'):
        if not program.exists():
            program.parent.mkdir(exist_ok=True)
            compile_tool(tool, made or tool, program)
            for old in sorted(program.parent.iterdir(), key=lambda path: path.stat().st_mtime)[:-KEPT]:
                old.unlink()
    return program


def compile_tool(tool, made, program):
    with tempfile.TemporaryDirectory(prefix='tmemd.', dir=cache()) as out:
        done = subprocess.run(['make', '-s', '-C', REPO / 'tools/tmem' / tool, f'O={out}'], stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if done.returncode:
            raise Failure(f'{tool} does not build:\n{done.stdout.strip()}')
        fresh = program.with_suffix('.new')
        shutil.copy(f'{out}/{made}', fresh)
        os.replace(fresh, program)


def qmp(socket):
    """Where QEMU listens for the tmemd that has this socket for the guest."""
    return f'{socket}.qmp'


def serve_clients(sockets, names, arguments):
    """A daemon for these clients, when it serves; what it says is beside the directory of its sockets."""
    shutil.rmtree(sockets, ignore_errors=True)
    sockets.mkdir(parents=True)
    argv = [build(), '--socket', sockets, *arguments]
    for name in names:
        argv += ['--client', f'name={name}']
    with open(sockets.parent / 'tmemd.log', 'wb') as log:
        daemon = guardian.start(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    deadline = time.monotonic() + 20
    while not (sockets / names[-1]).exists():
        if daemon.poll() is not None or time.monotonic() > deadline:
            daemon.kill()
            raise Failure(f'tmemd does not serve, see {log.name}')
        time.sleep(0.01)
    return daemon


def serve(tmp, options):
    """Starts the daemon, if none runs yet, and waits until it serves; returns the socket for the guest."""
    if options.tmem_socket:
        return os.path.abspath(options.tmem_socket)
    sockets = f'{tmp}/store'
    os.mkdir(sockets)
    client = f'name={CLIENT}'
    if options.balloon and options.guest == 'qemu':
        client += f',qmp={qmp(f"{sockets}/{CLIENT}")}'
    argv = [build(), '--socket', sockets, '--size', f'{options.pool >> 20}M', '--client', client]
    wrong = guardian.serve(argv, f'{tmp}/store.log', f'{sockets}/{CLIENT}')
    if wrong is not None:
        raise Failure(f'tmemd does not serve: {wrong}')
    return f'{sockets}/{CLIENT}'
