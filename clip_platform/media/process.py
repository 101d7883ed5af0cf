"""The only place that starts ffmpeg and ffprobe: lists of arguments, no shell, a deadline, files as the only protocol.

What programs are run for is not known here. Callers translate `ProgramFailed` into what it means for their file.

A program never outlives its caller: it is killed on every way out of `run` and `stream`, and on Linux by the kernel
when the thread that started it ends, `kill -9` of the whole process included. So a stream must be left (closed) by
the thread that entered it, or by one that outlives the use of the stream.
"""

from __future__ import annotations

import contextlib
import fcntl
import io
import os
import re
import shlex
import shutil
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

from clip_platform.errors import (
    ClipPlatformError,
    DeadlineExceeded,
    MissingProgram,
    ProgramFailed,
    StorageFull,
)

stderr_log: ContextVar[Path | None] = ContextVar("stderr_log", default=None)
"""When set, every program's arguments and stderr are appended to this file."""

INPUT_FORMATS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,mpegvideo,flv,live_flv,asf,ogg,mxf,gxf,wtv,dv,nut,ivf,rm,"
    "m4v,h264,hevc,av1,obu,vc1,h263,wav,w64,rf64,aiff,mp3,aac,flac,ac3,eac3,amr,caf,ape,wv,tta,au,dts,gif,apng,"
    "png_pipe,jpeg_pipe,bmp_pipe,tiff_pipe,webp_pipe,gif_pipe,jpegxl_pipe,psd_pipe"
)
"""Demuxers that may open an upload. Left out are those that open further files named inside the first (hls, dash,
concat, imf, image2): an upload must not be able to make us read other files."""

MOST_PIXELS = 16384 * 8192
"""Of one picture, header claims included: decoders refuse more before they reserve memory for it."""

DESPITE_ERRORS = ("-max_error_rate", "1")
"""For ffmpeg as a decoder: damaged parts are skipped, however many there are."""

_MOST_BYTES_AT_ONCE = 1024**3
_INPUTS_FAULT = re.compile(
    r"Invalid data found|Error while decoding|Error submitting packet|Cannot determine format of input|"
    r"Output file is empty|matches no streams|moov atom not found|partial file|Invalid argument"
)
_KEPT_STDERR_BYTES = 256 * 1024
_LOGGED_STDERR_BYTES = 4 * 1024 * 1024
_MOST_STDOUT_BYTES = 256 * 1024 * 1024
_DETAIL_CHARACTERS = 4000
_PIPE_BYTES = 1024 * 1024
_NO_SPACE = re.compile(r"(No space left on device|Disk quota exceeded)\s*$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Completed:
    """A program that ended with status 0. `stderr` is at most its last 256 KiB."""

    stdout: bytes
    stderr: str


def program(name: str) -> str:
    """The path of an installed program.

    Raises:
        MissingProgram: it is not on PATH.
    """
    found = shutil.which(name)
    if found is None:
        raise MissingProgram(f"{name} is not on PATH; install ffmpeg (Debian: apt install ffmpeg)")
    return found


def input_url(path: Path) -> str:
    """How a file is named to ffmpeg, so that no character of its name has a meaning."""
    return f"file:{Path(path).absolute()}"


def input_options() -> dict[str, str]:
    """Options every opened upload needs, as ffmpeg-python takes them."""
    return {"protocol_whitelist": "file,pipe", "format_whitelist": INPUT_FORMATS, "max_pixels": str(MOST_PIXELS)}


def input_arguments(path: Path) -> list[str]:
    """Arguments that open a file as input of ffmpeg or ffprobe, options included."""
    options = [part for name, value in input_options().items() for part in (f"-{name}", value)]
    return [*options, "-i", input_url(path)]


def is_inputs_fault(error: ProgramFailed) -> bool:
    """Whether ffmpeg's words blame the file it read, so that another attempt would end the same way."""
    return _INPUTS_FAULT.search(error.detail) is not None


def share_from_progress(line: str, duration_s: float) -> float | None:
    """The share done, 0..1, from one line that `-progress pipe:1` writes; None for lines that do not tell."""
    key, _, value = line.strip().partition("=")
    if key == "progress" and value == "end":
        return 1.0
    if key != "out_time_us" or not value.lstrip("-").isdigit() or duration_s <= 0:
        return None
    return min(max(int(value) / 1e6 / duration_s, 0.0), 1.0)


def run(arguments: Sequence[str], *, deadline_s: float, on_line: Callable[[str], None] | None = None) -> Completed:
    """Runs a program to its end.

    Args:
        arguments: `arguments[0]` is `ffmpeg` or `ffprobe`.
        deadline_s: wall time after which it is killed.
        on_line: receives stdout line by line as it comes; `stdout` of the result is then empty.

    Raises:
        DeadlineExceeded, StorageFull, ProgramFailed, MissingProgram.
    """
    with _started(arguments, deadline_s, stdout=subprocess.PIPE, descriptors=()) as running:
        output = _hand_over(running.stdout, on_line) if on_line else _read_all(running.stdout)
        return Completed(output, running.finish())


@contextlib.contextmanager
def stream(
    arguments: Callable[[Sequence[str]], Sequence[str]], *, deadline_s: float, pipes: int = 1
) -> Iterator[Stream]:
    """A running program whose outputs are read while it works.

    Args:
        arguments: given the names of the pipes (`pipe:7`, ...), the arguments as for `run`.
        deadline_s: as for `run`; reading then meets the end of the pipe, and `finish` raises.
        pipes: how many pipes it writes to. All must be read, or it waits for ever: for its deadline, that is.
    """
    with contextlib.ExitStack() as stack:
        ends = [_pipe(stack) for _ in range(pipes)]
        descriptors = tuple(write_end.fileno() for _, write_end in ends)
        command = arguments([f"pipe:{descriptor}" for descriptor in descriptors])
        running = stack.enter_context(_started(command, deadline_s, stdout=subprocess.DEVNULL, descriptors=descriptors))
        for _, write_end in ends:
            write_end.close()
        yield Stream(tuple(reader for reader, _ in ends), running)


class Stream:
    """`pipes`: unbuffered readers, in the order asked for."""

    def __init__(self, pipes: tuple[BinaryIO, ...], running: _Running) -> None:
        self.pipes = pipes
        self._running = running

    def finish(self) -> Completed:
        """Waits for the program's end and says whether it went well; leaving without it kills the program silently.

        Raises:
            DeadlineExceeded, StorageFull, ProgramFailed.
        """
        return Completed(b"", self._running.finish())


class _Running:
    """A started program, the thread that drains its stderr, and the watchdog that ends it."""

    def __init__(self, process: subprocess.Popen[bytes], arguments: Sequence[str], deadline_s: float) -> None:
        self.process = process
        self.stdout = cast(io.BufferedReader, process.stdout)
        self._stderr = cast(io.BufferedReader, process.stderr)
        self._arguments = arguments
        self._name = arguments[0]
        self._deadline_s = deadline_s
        self._log = stderr_log.get()
        self._kept = bytearray()
        self._expired = threading.Event()
        self._drain = threading.Thread(target=self._drain_stderr, name=f"{self._name} stderr", daemon=True)
        self._watchdog = threading.Timer(deadline_s, self._expire)
        self._watchdog.daemon = True
        self._drain.start()
        self._watchdog.start()

    def finish(self) -> str:
        status = self.process.wait()
        self._drain.join()
        self._watchdog.cancel()
        stderr = bytes(self._kept).decode("utf-8", "replace")
        error = self._error(status, stderr)
        if error is not None:
            raise error
        return stderr

    def kill(self) -> None:
        self._watchdog.cancel()
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self._drain.join()

    def _expire(self) -> None:
        if self.process.poll() is None:
            self._expired.set()
            self.process.kill()

    def _error(self, status: int, stderr: str) -> ClipPlatformError | None:
        detail = stderr[-_DETAIL_CHARACTERS:]
        if self._expired.is_set():
            return DeadlineExceeded(
                f"{self._name} did not finish within {self._deadline_s:.0f} s; try again when the machine is less busy",
                detail=detail,
            )
        # Also with status 0: ffmpeg 5.1 ends well although the trailer could not be written.
        if _NO_SPACE.search(stderr):
            return StorageFull("no space is left on the disk; free some and run the same command again", detail=detail)
        if status == 0:
            return None
        ending = f"was killed by {signal.Signals(-status).name}" if status < 0 else f"ended with status {status}"
        return ProgramFailed(f"{self._name} {ending}; its own words are in the log of this stage", detail=detail)

    def _drain_stderr(self) -> None:
        with contextlib.ExitStack() as stack:
            log = _Log.begin(self._log, self._arguments, stack)
            while chunk := self._stderr.read1(65536):
                self._kept += chunk
                del self._kept[:-_KEPT_STDERR_BYTES]
                log.write(chunk)


class _Log:
    """One program's part of a stage's stderr log; bounded, since a damaged file can cause gigabytes."""

    def __init__(self, file: BinaryIO | None) -> None:
        self._file = file
        self._room = _LOGGED_STDERR_BYTES

    @classmethod
    def begin(cls, path: Path | None, arguments: Sequence[str], stack: contextlib.ExitStack) -> _Log:
        file = None
        with contextlib.suppress(OSError):  # a log that cannot be written must not stop the work
            file = stack.enter_context(path.open("ab", buffering=0)) if path else None
        log = cls(file)
        log.write(os.fsencode(f"\n$ {shlex.join(arguments)}\n"))
        return log

    def write(self, text: bytes) -> None:
        if self._file is None or self._room <= 0:
            return
        try:
            self._file.write(text[: self._room])
        except OSError:  # the disk is full: the program itself says so where it matters
            self._room = 0
        self._room -= len(text)


@contextlib.contextmanager
def _started(
    arguments: Sequence[str], deadline_s: float, *, stdout: int, descriptors: tuple[int, ...]
) -> Iterator[_Running]:
    command = _command(arguments)
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=subprocess.PIPE,
        pass_fds=descriptors,
        # Its own group: Ctrl-C reaches only us, and ffmpeg does not start to write a trailer of its own accord.
        process_group=0,
        env=os.environ | {"AV_LOG_FORCE_NOCOLOR": "1"},
    )
    running = None
    try:
        running = _Running(process, arguments, deadline_s)
        yield running
    finally:
        if running is None:
            process.kill()
            process.wait()
        else:
            running.kill()
        for pipe in (process.stdout, process.stderr):
            if pipe is not None:
                pipe.close()


def _command(arguments: Sequence[str]) -> list[str]:
    name, *rest = arguments
    always = ["-hide_banner", "-max_alloc", str(_MOST_BYTES_AT_ONCE), *(["-nostdin"] if name == "ffmpeg" else [])]
    guard = shutil.which("setpriv")
    dies_with_us = [guard, "--pdeathsig", "KILL", "--"] if guard else []
    return [*dies_with_us, program(name), *always, *rest]


def _pipe(stack: contextlib.ExitStack) -> tuple[BinaryIO, BinaryIO]:
    read_end, write_end = os.pipe()
    reader: BinaryIO = stack.enter_context(os.fdopen(read_end, "rb", buffering=0))
    writer: BinaryIO = stack.enter_context(os.fdopen(write_end, "wb", buffering=0))
    if hasattr(fcntl, "F_SETPIPE_SZ"):
        with contextlib.suppress(OSError):  # above the user's limit: the default size only costs switches
            fcntl.fcntl(read_end, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
    return reader, writer


def _read_all(pipe: io.BufferedReader) -> bytes:
    output = bytearray()
    while chunk := pipe.read1(_PIPE_BYTES):
        output += chunk
        if len(output) > _MOST_STDOUT_BYTES:
            raise ProgramFailed(f"a program wrote more than {_MOST_STDOUT_BYTES >> 20} MiB; its input is not sane")
    return bytes(output)


def _hand_over(pipe: io.BufferedReader, on_line: Callable[[str], None]) -> bytes:
    for line in pipe:
        on_line(line.decode("utf-8", "replace").rstrip("\r\n"))
    return b""
