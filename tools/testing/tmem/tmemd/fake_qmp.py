#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""QEMUs that there are not, for tests of balloons that tmemd moves by QMP.

fake_qmp.py DIR NAME=KIND...: each listens at DIR/NAME.qmp, and writes what it is asked for to DIR/NAME.heard. See KINDS.
A line on stdin, NAME JSON, is an event that this one sends; "end" or the end of stdin ends all."""

import json
import os
import socket
import sys
import threading

MIB = 1 << 20
MEMORY = 256 * MIB


class Qemu:
    """One that does as it should, with a guest that moves the balloon at once. Others do one thing differently."""

    greeting = b'{"QMP": {"version": {"qemu": {"micro": 0, "minor": 0, "major": 9}}, "capabilities": ["oob"]}}\r\n'

    def __init__(self, directory, name):
        self.actual, self.line = MEMORY, None
        self.heard = open(f'{directory}/{name}.heard', 'a', encoding='utf-8')
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(f'{directory}/{name}.qmp')
        self.listener.listen(1)
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            self.line, _ = self.listener.accept()
            print('connected', file=self.heard, flush=True)
            try:
                self.talk(self.line.makefile('rb'))
            except OSError:
                pass
            self.line.close()

    def say(self, what):
        self.line.sendall(json.dumps(what).encode() + b'\r\n')

    def talk(self, lines):
        self.line.sendall(self.greeting)
        for line in lines:
            command = json.loads(line)
            print(command['execute'], *command.get('arguments', {}).values(), file=self.heard, flush=True)
            self.answer(command, {'id': command['id']})

    def answer(self, command, answer):
        self.say({'return': self.execute(command['execute'], command.get('arguments')), **answer})

    def execute(self, what, arguments):
        if what == 'query-memory-size-summary':
            return {'base-memory': MEMORY, 'plugged-memory': 0}
        if what == 'query-balloon':
            return {'actual': self.actual}
        if what == 'balloon':
            self.move(min(arguments['value'], MEMORY))
        return {}

    def move(self, target):
        self.actual = target
        self.say({'event': 'BALLOON_CHANGE', 'data': {'actual': target}, 'timestamp': {'seconds': 1, 'microseconds': 2}})


class Driverless(Qemu):
    def move(self, target):
        pass


class Balloonless(Qemu):
    def answer(self, command, answer):
        if command['execute'] == 'query-balloon':
            self.say({'error': {'class': 'DeviceNotActive', 'desc': 'No balloon\n\x1b[31m'}, **answer})
        else:
            super().answer(command, answer)


class Silent(Qemu):
    def talk(self, lines):
        lines.read()


class Mute(Qemu):
    """Asks for trust, and then says nothing to the point."""
    def answer(self, command, answer):
        self.say({'event': 'NICE_WEATHER', 'data': {}})


class Closing(Qemu):
    def talk(self, lines):
        pass


class Half(Qemu):
    def talk(self, lines):
        self.line.sendall(self.greeting[:30])


class Endless(Qemu):
    def talk(self, lines):
        while True:
            self.line.sendall(b'{"QMP": "' + b'x' * MIB)


class Flood(Qemu):
    """Megabytes of lines, each of which is as it should be."""
    def talk(self, lines):
        self.line.sendall(self.greeting)
        while True:
            self.line.sendall(b'{"event": "BALLOON_CHANGE", "data": {"actual": 1}}\r\n' * 1000)


class Raw(Qemu):
    greeting = bytes(range(256)) * 4


class Deep(Qemu):
    greeting = b'{"QMP":' * 1000 + b'{}' + b'}' * 1000 + b'\n'


class Stranger(Qemu):
    greeting = b'{"hello": 1}\n'


class Eager(Qemu):
    """Answers what is not asked yet."""
    def answer(self, command, answer):
        super().answer(command, {'id': answer['id'] + 1})


def numbers(key, value):
    class Liar(Qemu):
        def execute(self, what, arguments):
            said = super().execute(what, arguments)
            return {**said, key: value} if key in said else said
    return Liar


KINDS = {
    'good': Qemu, 'driverless': Driverless, 'balloonless': Balloonless, 'silent': Silent, 'mute': Mute, 'closing': Closing,
    'half': Half, 'endless': Endless, 'flood': Flood, 'raw': Raw, 'deep': Deep, 'stranger': Stranger, 'eager': Eager,
    'negative': numbers('base-memory', -4096), 'huge': numbers('base-memory', 1 << 62), 'odd': numbers('base-memory', 4097),
    'none': numbers('base-memory', 0), 'text': numbers('base-memory', 'much'), 'plugged': numbers('plugged-memory', (1 << 44) - 4096),
    'negative-actual': numbers('actual', -1), 'real-actual': numbers('actual', 1.5), 'null-actual': numbers('actual', None),
    'large-actual': numbers('actual', MEMORY + 4096),
}


def main(directory, *wanted):
    qemus = {}
    for name, kind in (word.split('=') for word in wanted):
        if os.path.exists(f'{directory}/{name}.qmp'):
            os.unlink(f'{directory}/{name}.qmp')
        qemus[name] = KINDS[kind](directory, name)
    print('ready', flush=True)
    for line in sys.stdin:
        if line.strip() == 'end':
            break
        name, event = line.split(' ', 1)
        event = json.loads(event)
        qemus[name].actual = event['data'].get('actual', qemus[name].actual)
        qemus[name].say(event)


if __name__ == '__main__':
    main(*sys.argv[1:])
