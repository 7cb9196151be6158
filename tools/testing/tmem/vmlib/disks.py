# SPDX-License-Identifier: GPL-2.0
"""The guest's disks: images made for one run, served over vhost-user by qemu-storage-daemon.

The daemon limits the disks' operations per second. Without a limit the host's page cache makes any disk look like memory.
"""

import os
import shlex
import stat
import subprocess

import guardian
import images
from house import Failure

SMALLEST = {'ext4': 16 << 20, 'xfs': 300 << 20, 'btrfs': 128 << 20}


def run(*argv):
    done = subprocess.run([str(word) for word in argv], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        raise Failure(f'{shlex.join(map(str, argv))}:\n{done.stdout.strip()}')


def sparse(path, size):
    with open(path, 'wb') as image:
        image.truncate(size)


def make_filesystem(path, options):
    """A fresh filesystem in the image, with the contents of --populate."""
    kind, source = options.fs, options.populate
    if options.disk_size < SMALLEST[kind]:
        raise Failure(f'--disk-size: {kind} wants at least {SMALLEST[kind] >> 20}M')
    sparse(path, options.disk_size)
    more = shlex.split(options.mkfs_opts)
    if kind == 'ext4':
        # Not lazily: the guest's kernel would initialize tables in the background, and the measurements with them.
        source = ['-d', source] if source else []
        run('mkfs.ext4', '-q', '-F', '-E', 'lazy_itable_init=0,lazy_journal_init=0', *source, *more, path)
    elif kind == 'btrfs':
        run('mkfs.btrfs', '-q', '-f', *(['--rootdir', source] if source else []), *more, path)
    else:
        proto = []
        if source:
            proto = ['-p', f'{path}.proto']
            with open(f'{path}.proto', 'w', encoding='utf-8', errors='surrogateescape') as out:
                out.write('/\n0 0\nd--755 0 0\n' + xfs_prototype(source) + '$\n')
        run('mkfs.xfs', '-q', '-f', '-K', *proto, *more, path)


def xfs_prototype(directory):
    """The directory's contents in mkfs.xfs's own language."""
    lines = []
    for entry in sorted(os.scandir(directory), key=lambda each: each.name):
        if any(char.isspace() for char in entry.path):
            raise Failure(f"--populate: mkfs.xfs cannot take '{entry.path}' for the blank in its name; use ext4 or btrfs")
        info = entry.stat(follow_symlinks=False)
        bits = ('u' if info.st_mode & stat.S_ISUID else '-') + ('g' if info.st_mode & stat.S_ISGID else '-')
        mode = f'{bits}{info.st_mode & 0o777:03o} {info.st_uid} {info.st_gid}'
        if entry.is_symlink():
            lines.append(f'{entry.name} l{mode} {os.readlink(entry.path)}\n')
        elif entry.is_dir():
            lines.append(f'{entry.name} d{mode}\n{xfs_prototype(entry.path)}$\n')
        elif entry.is_file():
            lines.append(f'{entry.name} -{mode} {os.path.abspath(entry.path)}\n')
        else:
            raise Failure(f'--populate: {entry.path} is neither file, directory nor link')
    return ''.join(lines)


def direct_io(path):
    try:
        os.close(os.open(path, os.O_RDONLY | os.O_DIRECT))
        return 'on'
    except OSError:
        return 'off'


def escape(path):
    return str(path).replace(',', ',,')


class Disks:
    """The disks of one guest, in the order in which it sees them."""

    def __init__(self, tmp, options, programs, prefix, share):
        self.tmp = tmp
        self.prefix = prefix    # of their names in the guest
        self.iops = options.disk_iops
        self.disks = []         # (name, image, throttled and writable)
        if options.fs:
            make_filesystem(f'{tmp}/mnt.img', options)
            self.disks.append(('mnt', f'{tmp}/mnt.img', True))
        if options.swap:
            sparse(f'{tmp}/swap.img', options.swap)
            run('mkswap', f'{tmp}/swap.img')
            self.disks.append(('swap', f'{tmp}/swap.img', True))
        if programs:
            self.disks.append(('programs', str(programs), False))
        if share:
            images.mksquashfs(share, f'{tmp}/share.img')
            self.disks.append(('share', f'{tmp}/share.img', False))

    def socket(self, name):
        return f'{self.tmp}/{name}.sock'

    def names(self):
        return [name for name, _, _ in self.disks]

    def device(self, name):
        """The name of a disk in the guest, which finds them in our order."""
        return self.prefix + 'abcd'[self.names().index(name)] if name in self.names() else ''

    def hold_memory(self):
        """Is there an image of hibernation on the swap disk?"""
        if 'swap' not in self.names():
            return False
        with open(f'{self.tmp}/swap.img', 'rb') as image:
            image.seek(4086)
            return image.read(10) == b'S1SUSPEND\0'

    def arguments(self, queues):
        argv = ['qemu-storage-daemon', '--pidfile', f'{self.tmp}/disks.pid']
        if self.iops:
            argv += ['--object', f'throttle-group,id=speed,x-iops-total={self.iops}']
        for name, image, throttled in self.disks:
            node, writable = f'{name}-raw', 'on' if throttled else 'off'
            # The image lives no longer than the guest: there is no need to get it onto the host's disk.
            argv += ['--blockdev', f'driver=file,node-name={name}-file,filename={escape(image)},cache.direct={direct_io(image)},'
                                   f'cache.no-flush=on,read-only={"off" if throttled else "on"},discard=unmap,locking=off',
                     '--blockdev', f'driver=raw,node-name={node},file={name}-file,discard=unmap,'
                                   f'read-only={"off" if throttled else "on"}']
            if throttled and self.iops:
                node = f'{name}-slow'
                argv += ['--blockdev', f'driver=throttle,node-name={node},throttle-group=speed,file={name}-raw,discard=unmap']
            argv += ['--export', f'type=vhost-user-blk,id={name},node-name={node},addr.type=unix,'
                                 f'addr.path={self.socket(name)},writable={writable},num-queues={queues}']
        return argv

    def serve(self, queues):
        """Starts the daemon and waits until it serves."""
        if not self.disks:
            return
        wrong = guardian.serve(self.arguments(queues), f'{self.tmp}/disks.log', f'{self.tmp}/disks.pid')
        if wrong is not None:
            raise Failure(f'qemu-storage-daemon does not serve the disks: {wrong}')
