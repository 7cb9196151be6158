# SPDX-License-Identifier: GPL-2.0
"""The two kinds of guest: how each is started. Both get the same lines to the outside.

A guest has an output line (COMMAND's), a control line (init's words), and a console (the kernel's). Each is a pipe.
"""

import os
import resource
import shutil
import struct
import subprocess

import guardian
from disks import escape
from house import Failure, cache

COMMON = 'panic=-1 loglevel=7 ignore_loglevel'


def pipe():
    return os.pipe2(os.O_CLOEXEC)


class Guest:
    """A guest that can be started; subclasses know the machine."""

    needs = ()              # groups of packages
    config = None           # of the kernel

    def __init__(self, tmp, options, kernel, disks):
        self.tmp, self.options, self.kernel, self.disks = tmp, options, kernel, disks
        self.input = self.output = self.control = self.console = None
        self.process = None

    def start(self, initrd, arguments):
        """Starts the guest with its lines as pipes; the guest's ends are closed here."""
        stdin, self.input = pipe()
        self.output, out = pipe()
        self.control, control = pipe()
        self.console, console = pipe()
        argv = self.command_line(initrd, arguments, control, console)
        # UML takes /dev/shm for its memory unless told otherwise, as it should.
        env = {name: value for name, value in os.environ.items() if name not in ('TMPDIR', 'TMP', 'TEMP')}
        env.update(self.environment())
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        self.process = guardian.start(argv, stdin=stdin, stdout=out, stderr=console, pass_fds=(control, console), env=env,
                                      cwd=self.tmp)
        for fd in (stdin, out, control, console):
            os.close(fd)

    def environment(self):
        return {}


class Uml(Guest):
    """User-Mode Linux: a process of the host, uniprocessor, up in a third of a second."""

    needs = ('guest',)
    config = 'uml'

    def settings(self):
        share = os.path.abspath(self.options.share) if self.options.share else ''
        return {'VM_OUT': '/dev/ttyS0', 'VM_CONTROL': '/dev/ttyS1', 'VM_SHARE': share}

    def environment(self):
        room = shutil.disk_usage('/dev/shm').free if os.path.isdir('/dev/shm') else 0
        return {} if room > self.options.ram else {'TMPDIR': self.tmp}

    def command_line(self, initrd, arguments, control, console):
        argv = [self.kernel, f'mem={self.options.ram >> 20}M', f'initrd={initrd}', 'root=/dev/ram0', 'stderr=1',
                'con=null', f'con0=null,fd:{console}', 'ssl=null', 'ssl0=fd:0,fd:1', f'ssl1=null,fd:{control}',
                f'uml_dir={self.tmp}/', 'umid=uml']
        argv += [f'virtio_uml.device={self.disks.socket(name)}:2' for name in self.disks.names()]
        return argv + COMMON.split() + arguments


class Qemu(Guest):
    """x86-64 under QEMU: SMP, and debugging that UML lacks. With KVM where that works, else interpreted."""

    needs = ('guest', 'qemu')
    config = 'x86'

    def settings(self):
        return {'VM_OUT': '/dev/hvc0' if self.options.interactive else 'out', 'VM_CONTROL': 'control',
                'VM_SHARE': '9p' if self.options.share else ''}

    def command_line(self, initrd, arguments, control, console):
        options = self.options
        accel = options.accel or ('kvm' if kvm_works() else 'tcg')
        argv = ['qemu-system-x86_64', '-nodefaults', '-no-user-config', '-display', 'none', '-no-reboot',
                '-machine', 'q35,memory-backend=ram,vmport=off', '-smp', str(options.smp), '-m', f'{options.ram >> 20}M',
                '-accel', {'kvm': 'kvm', 'tcg': 'tcg,thread=multi'}[accel],
                '-cpu', {'kvm': 'host', 'tcg': 'max'}[accel],
                '-object', f'memory-backend-memfd,id=ram,size={options.ram >> 20}M,share=on',
                '-kernel', self.kernel, '-initrd', initrd,
                '-append', ' '.join(['console=ttyS0', COMMON, *arguments]),
                '-chardev', f'file,id=console,path=/dev/fd/{console}', '-serial', 'chardev:console',
                '-chardev', f'file,id=control,path=/dev/fd/{control}',
                '-chardev', 'stdio,id=out,signal=off',
                '-device', 'virtio-serial-pci',
                '-device', 'virtconsole,chardev=out' if options.interactive else 'virtserialport,chardev=out,name=out',
                '-device', 'virtserialport,chardev=control,name=control']
        for name in self.disks.names():
            argv += ['-chardev', f'socket,id={name},path={self.disks.socket(name)}',
                     '-device', f'vhost-user-blk-pci,chardev={name},num-queues={options.queues}']
        if options.share:
            argv += ['-fsdev', f'local,id=share,path={escape(os.path.abspath(options.share))},security_model=none,readonly=on',
                     '-device', 'virtio-9p-pci,fsdev=share,mount_tag=share']
        return argv


GUESTS = {'uml': Uml, 'qemu': Qemu}


def kvm_works():
    """Whether a guest really runs under KVM: many machines have /dev/kvm, but only promise it. Asked once per boot."""
    try:
        with open('/proc/sys/kernel/random/boot_id', encoding='ascii') as boot:
            memory = cache() / f'kvm-{boot.read().strip()}'
        if memory.exists():
            return memory.read_text() == 'yes'
        works = os.access('/dev/kvm', os.R_OK | os.W_OK) and try_kvm(cache() / f'kvm-probe.{os.getpid()}')
        for old in cache().glob('kvm-*-*'):
            old.unlink(missing_ok=True)
        memory.write_text('yes' if works else 'no')
        return works
    except OSError:
        return False


def try_kvm(image):
    """A firmware of a few instructions, which ends QEMU through its exit device."""
    rom = bytearray(b'\xf4' * 65536)
    code = bytes([0xba, 0xf4, 0x00, 0xb0, 0x10, 0xee, 0xf4])        # mov dx, 0xf4; mov al, 0x10; out dx, al; hlt
    rom[0x8000:0x8000 + len(code)] = code
    rom[0xfff0:0xfff3] = b'\xe9' + struct.pack('<H', 0x8000 - 0xfff3 & 0xffff)     # the reset vector: jmp there
    try:
        image.write_bytes(rom)
        done = subprocess.run(['qemu-system-x86_64', '-accel', 'kvm', '-cpu', 'host', '-nodefaults', '-display', 'none', '-m', '16M',
                               '-no-reboot', '-bios', str(image), '-device', 'isa-debug-exit,iobase=0xf4,iosize=1'],
                              stdin=subprocess.DEVNULL, capture_output=True, timeout=10)
        return done.returncode == 0x10 << 1 | 1
    except (OSError, subprocess.TimeoutExpired):
        return False
    finally:
        image.unlink(missing_ok=True)


def find_kernel(options, run):
    """The image to boot: the one named, or this checkout's, built if need be."""
    if options.kernel:
        if not os.path.isfile(options.kernel):
            raise Failure(f'--kernel: there is no {options.kernel}')
        return os.path.abspath(options.kernel)
    config = GUESTS[options.guest].config
    argv = ['--config', config] + (['--debug'] if options.debug else []) + (['--plain'] if options.unpatched else [])
    return run(argv)
