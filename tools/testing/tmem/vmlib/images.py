# SPDX-License-Identifier: GPL-2.0
"""What a guest boots from: the initramfs, and the read-only image of the programs it shall have."""

import hashlib
import os
import re
import shutil
import stat
import subprocess
import tempfile
from pathlib import Path

from house import Failure, cache, deps

# Where a program's package has another name.
PACKAGES = {'xfs_io': 'xfsprogs', 'fsstress': 'xfstests', 'bash': 'bash', 'sqlite3': 'sqlite3', 'python3': 'python3-minimal',
            'redis-server': 'redis-server', 'gzip': 'gzip', 'setfattr': 'attr', 'getfattr': 'attr', 'debugfs': 'e2fsprogs',
            'chattr': 'e2fsprogs', 'lsattr': 'e2fsprogs', 'btrfs': 'btrfs-progs', 'losetup': 'mount', 'fallocate': 'util-linux'}


HERE = Path(__file__).resolve().parent


class Cpio:
    """Writes a cpio archive in the form that the kernel unpacks."""

    def __init__(self, path, mode='wb'):
        self.out = open(path, mode)
        self.inode = 0

    def add(self, name, mode, data=b'', device=(0, 0)):
        self.inode += 1
        name = name.encode() + b'\0'
        fields = [self.inode, mode, 0, 0, 1, 0, len(data), 0, 0, *device, len(name), 0]
        header = b'070701' + b''.join(b'%08X' % field for field in fields) + name
        self.out.write(header + bytes(-len(header) % 4) + data + bytes(-len(data) % 4))

    def directory(self, name):
        self.add(name, stat.S_IFDIR | 0o755)

    def link(self, name, target):
        self.add(name, stat.S_IFLNK | 0o777, target.encode())

    def file(self, name, data, mode=0o755):
        self.add(name, stat.S_IFREG | mode, data)

    def close(self):
        self.add('TRAILER!!!', 0)
        self.out.close()


def basics(archive):
    """busybox, and where things are mounted."""
    busybox = shutil.which('busybox', path='/bin:/usr/bin')
    if not busybox:
        raise Failure('no busybox here: scripts/deps guest')
    for name in ('bin', 'dev', 'etc', 'mnt', 'proc', 'root', 'run', 'sbin', 'share', 'sys', 'tmp', 'usr', 'var', 'vm'):
        archive.directory(name)
    for name in ('lib', 'lib64'):
        archive.link(name, f'usr/{name}')
    archive.add('dev/console', stat.S_IFCHR | 0o600, device=(5, 1))
    archive.file('bin/busybox', Path(busybox).read_bytes())
    applets = subprocess.run([busybox, '--list'], capture_output=True, text=True, check=True).stdout.split()
    for name in sorted(set(applets) - {'busybox'}):
        archive.link(f'bin/{name}', 'busybox')
    archive.file('etc/passwd', b'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n', 0o644)
    archive.file('etc/group', b'root:x:0:\nnogroup:x:65534:\n', 0o644)
    archive.file('vm/ports', (HERE / 'ports').read_bytes(), 0o644)


def initramfs(path, settings, command):
    """busybox, our init, and what this guest is told to do."""
    archive = Cpio(path)
    basics(archive)
    archive.file('init', (HERE / 'init').read_bytes())
    text = ''.join(f"{name}='{value}'\n" for name, value in settings.items())
    archive.file('vm/settings', text.encode())
    archive.file('vm/command', command)
    archive.close()


def find_program(name):
    """The path of a program, installing its package if it is missing."""
    if '/' in name:
        if not os.path.isfile(name):
            raise Failure(f'--with: there is no file {name}')
        return os.path.abspath(name)
    places = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'
    if not shutil.which(name, path=places):
        deps(f'package:{PACKAGES.get(name, name)}')
    path = shutil.which(name, path=places)
    if not path:
        raise Failure(f"--with: no program '{name}', not even with Debian's package '{PACKAGES.get(name, name)}' installed; "
                      'a program of your own can be named by its path')
    return path


def libraries(path):
    """What the dynamic loader would load, the loader included."""
    out = subprocess.run(['ldd', path], capture_output=True, text=True)
    if 'not a dynamic executable' in out.stderr + out.stdout or 'statically linked' in out.stdout:
        return []
    if out.returncode or '=> not found' in out.stdout:
        raise Failure(f'--with: {path} lacks libraries: {out.stdout}{out.stderr}')
    return re.findall(r'(?:=> |^\s+)(/\S+) \(0x', out.stdout, re.M)


def place_of(path, named_by_path):
    """Where a file goes below the guest's /usr. /lib and the like are links into it."""
    if named_by_path:
        return f'bin/{os.path.basename(path)}'
    path = re.sub(r'^/(bin|sbin|lib\w*)/', r'/usr/\1/', path)
    return re.sub(r'^/usr/', '', path) if path.startswith('/usr/') else f'bin/{os.path.basename(path)}'


def programs_image(names):
    """A squashfs image with these programs and their libraries, made once for each content."""
    files = {}
    for name in names:
        path = find_program(name)
        files[place_of(path, '/' in name)] = path
        for library in libraries(path):
            files[place_of(library, False)] = library
    seen = hashlib.sha256()
    for place, path in sorted(files.items()):
        info = os.stat(path)
        seen.update(f'{place} {path} {info.st_size} {info.st_mtime_ns}\n'.encode())
    image = cache() / 'programs' / f'{seen.hexdigest()[:24]}.squashfs'
    if not image.exists():
        make_squashfs(files, image)
    os.utime(image)
    return image


def mksquashfs(directory, image):
    done = subprocess.run(['mksquashfs', directory, image, '-comp', 'lz4', '-all-root', '-no-progress', '-quiet', '-no-exports'],
                          stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    if done.returncode:
        raise Failure(f'mksquashfs: {done.stderr.strip()}')


def make_squashfs(files, image):
    image.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix='new.', dir=image.parent) as tmp:
        top = Path(tmp) / 'usr'
        for place, path in files.items():
            (top / place).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, top / place)
        fresh = Path(tmp) / 'image'
        mksquashfs(top, fresh)
        os.replace(fresh, image)
    # Old ones, of programs that were rebuilt since, make room.
    for old in sorted(image.parent.glob('*.squashfs'), key=os.path.getmtime)[:-20]:
        old.unlink(missing_ok=True)
