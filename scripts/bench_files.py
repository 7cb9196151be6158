# SPDX-License-Identifier: GPL-2.0
"""The files that the guests of bench-guest work with: programs, contents of pages, streams, a compiler's root."""

import hashlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import house
from house import Failure, REPO

sys.path.append(str(REPO / 'tools/testing/tmem/vmlib'))
from images import libraries

SAMPLE = 4 << 20        # small beside a guest's memory
CONTENT = 32 << 20
GUEST = REPO / 'tools/testing/tmem/guest'


def cc1():
    return subprocess.check_output(['gcc', '-print-prog-name=cc1'], text=True).strip()


def read_some(paths, size):
    data = bytearray()
    for path in paths:
        data += Path(path).read_bytes()
        if len(data) >= size:
            return bytes(data[:size])
    raise Failure(f'not enough files for {size >> 20} MiB of contents')


def content(size):
    """Pages as programs have them: the compiler's and the kernel's source, a MiB of each in turn."""
    sources = house.fetch()
    code = read_some([cc1()], size // 2)
    text = read_some((path for top in ('mm', 'kernel', 'fs') for path in sorted((sources / top).rglob('*.c'))), size // 2)
    step = 1 << 20
    return b''.join(code[at:at + step] + text[at:at + step] for at in range(0, size // 2, step))


def share(directory):
    """What guests find at /share."""
    directory.mkdir(parents=True, exist_ok=True)
    for program in 'bench', 'memwalk':
        source = GUEST / f'{program}.c'
        if subprocess.run(['gcc', '-O2', '-static', '-Wall', '-o', directory / program, source]).returncode:
            raise Failure(f'cannot compile {source}, see above')
    for name, size in ('content', CONTENT), ('sample', SAMPLE):
        if not (directory / name).exists():
            new = directory / f'{name}.new'
            new.write_bytes(content(size))
            new.rename(directory / name)


def laid_out(name, fill):
    """A directory of the cache that fill(DIRECTORY) fills the first time."""
    top = house.cache() / name
    with house.lock(house.cache() / 'bench.lock', 'another bench-guest to lay out its files'):
        if not top.exists():
            new = top.with_suffix('.new')
            shutil.rmtree(new, ignore_errors=True)
            new.mkdir(parents=True)
            fill(new)
            new.rename(top)
    return top


def stream_files(stream_mib, again_mib):
    """A directory with files of these sizes."""
    def fill(top):
        piece = content(2 << 20)
        for name, mib in ('stream', stream_mib), ('again', again_mib):
            with open(top / name, 'wb') as out:
                for _ in range(mib // 2):
                    out.write(piece)

    return laid_out(f'bench-stream-{stream_mib}-{again_mib}', fill)


# ---- a root with a compiler, make, and a directory of a kernel to compile ----

def place(root, path):
    """Copies a file of the host, with the libraries that it needs."""
    for each in [path, *libraries(path)]:
        there = root / re.sub(r'^/(bin|sbin|lib\w*)/', r'usr/\1/', each).lstrip('/')
        there.parent.mkdir(parents=True, exist_ok=True)
        if not there.exists():
            shutil.copy(each, there)


def recorded(command):
    """Of one file that kbuild compiled: the object's name, the command, and the files that it read."""
    text = command.read_text()
    line = re.search(r'^savedcmd_\S+ := (.*? -c -o (\S+) \S+)', text, re.M)
    if not line:
        return None
    compile_it = re.sub(r'^ccache |-Wp,-MMD,\S+ ', '', line.group(1)).replace(f'-o {line.group(2)}', '-o $@')
    read = re.search(r'^deps_\S+ := (.*?)\n\n', text, re.M | re.S)
    files = [word for word in read.group(1).split() if word not in ('\\',) and not re.search(r'[$()]', word)] if read else []
    return Path(line.group(2)).name, compile_it, [*files, re.search(r'^source_\S+ := (\S+)', text, re.M).group(1)]


def copy_sources(root, build, objects):
    names = {name for _, _, files in objects for name in files} | {'include/generated/autoconf.h'}
    for name in names:
        there = Path(os.path.normpath(root / 'src/build' / name) if not name.startswith('/') else f'{root}{name}')
        there.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(build / name, there)


def toolchain(build, count):
    """A root directory for chroot, in which 'make -C /src/build' compiles the first files of a kernel's lib/."""
    objects = [found for path in sorted((build / 'lib').glob('.*.o.cmd')) if (found := recorded(path))][:count]
    if len(objects) < count:
        raise Failure(f'{build}/lib: only {len(objects)} files were compiled there')

    def fill(root):
        for name in ('usr/bin', 'usr/lib', 'src/build/o', 'tmp', 'dev'):
            (root / name).mkdir(parents=True)
        for name in ('bin', 'lib', 'lib64'):
            (root / name).symlink_to(f'usr/{name}')
        for path in ('/usr/bin/gcc', '/usr/bin/as', '/usr/bin/make', '/bin/dash', cc1()):
            place(root, path)
        (root / 'usr/bin/sh').symlink_to('dash')
        copy_sources(root, build, objects)
        rules = ''.join(f'o/{name}:\n\t@{compile_it}\n' for name, compile_it, _ in objects)
        (root / 'src/build/Makefile').write_text('all: ' + ' '.join(f'o/{name}' for name, _, _ in objects) + '\n' + rules)

    compiler = subprocess.check_output(['gcc', '--version'], text=True)
    digest = hashlib.sha256(f'{compiler}{objects}{Path(__file__).read_text()}'.encode()).hexdigest()[:12]
    return laid_out(f'bench-root-{digest}', fill)
