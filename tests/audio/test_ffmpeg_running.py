import os
import socket
import threading
import time
from pathlib import Path
from typing import Any

import ffmpeg
import pytest

from earwitness.audio.ffmpeg import ffmpeg_info, run, running, source
from earwitness.errors import BadRecording, EngineUnavailable, StorageError, ToolFailed
from tests.plugins import ffmpeg_faults


def tone(seconds: float = 1.0) -> Any:
    return ffmpeg.input(f"sine=frequency=440:duration={seconds}:sample_rate=16000", f="lavfi")


def test_a_working_ffmpeg_is_found_and_named() -> None:
    info = ffmpeg_info()
    assert Path(info.path).is_file()
    assert info.version[0].isalnum()
    assert info.origin in {"system", "imageio-ffmpeg"}


def test_the_systems_ffmpeg_is_preferred_if_it_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = ffmpeg_faults.put_on_path("exit 1", tmp_path, monkeypatch)
    assert (ffmpeg_info().path, ffmpeg_info().origin) == (str(program), "system")
    assert ffmpeg_info().version == "0-faulty"


@pytest.mark.parametrize(("version", "origin"), [("4.3.8-0+deb11u1", "imageio-ffmpeg"), ("5.1.6", "system")])
def test_a_system_ffmpeg_that_is_too_old_is_passed_over(
    version: str, origin: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ffmpeg_faults.put_on_path("exit 1", tmp_path, monkeypatch, version)
    assert ffmpeg_info().origin == origin


def test_a_system_ffmpeg_that_does_not_run_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = tmp_path / "ffmpeg"
    broken.write_text("#!/bin/sh\nexit 127\n")
    broken.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert ffmpeg_info().origin == "imageio-ffmpeg"


def test_without_any_ffmpeg_the_message_lists_what_was_tried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("imageio_ffmpeg.get_ffmpeg_exe", lambda: str(tmp_path / "none"))
    with pytest.raises(EngineUnavailable, match=r"ffmpeg on PATH \(not found\).*none \(does not run\)"):
        ffmpeg_info()


def test_progress_is_told_in_milliseconds_and_never_goes_back(tmp_path: Path) -> None:
    told: list[int] = []
    run(tone(3).output(str(tmp_path / "tone.flac")), on_time=told.append)
    assert told == sorted(told)
    assert told[-1] == pytest.approx(3000, abs=60)


def test_a_stalled_child_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ffmpeg_faults.put_on_path(ffmpeg_faults.STALLS, tmp_path, monkeypatch)
    started = time.monotonic()
    with pytest.raises(ToolFailed, match=r"gave nothing for 0.3 s"):
        run(tone().output("x.wav"), stall_s=0.3)
    assert time.monotonic() - started < 20


def test_a_child_that_outlives_its_limit_is_killed() -> None:
    endless = ffmpeg.input("anullsrc=r=16000:cl=mono", f="lavfi").output("-", f="null")
    with pytest.raises(ToolFailed, match="time limit"):
        run(endless, limit_s=0.5)


@pytest.mark.parametrize("fault", ["SEGFAULTS", "KILLED_FOR_MEMORY"])
def test_a_child_ended_by_a_signal_is_a_transient_failure(
    fault: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ffmpeg_faults.put_on_path(getattr(ffmpeg_faults, fault), tmp_path, monkeypatch)
    with pytest.raises(ToolFailed, match="SIG"):
        run(tone().output("x.wav"), fault=BadRecording)


def test_endless_complaints_take_bounded_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ffmpeg_faults.put_on_path(ffmpeg_faults.CHATTERS, tmp_path, monkeypatch)
    with running(tone().output("pipe:1", format="s16le"), limit_s=1) as child:
        with pytest.raises(ToolFailed):
            child.read_into(memoryview(bytearray(10)))
        report = child.finish()
    assert report.errors > 100
    assert len(report.first) + len(report.last) <= 80


def test_a_full_disk_is_a_storage_error() -> None:
    with pytest.raises(StorageError, match=r"No space left|No space"):
        run(tone(30).output("file:/dev/full", format="s16le"))


def test_leaving_early_leaves_no_child_behind() -> None:
    endless = ffmpeg.input("anullsrc=r=16000:cl=mono", f="lavfi").output("pipe:1", format="s16le")
    with running(endless) as child:
        assert child.read_into(memoryview(bytearray(1000))) == 1000
        pid = child.pid
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


@pytest.mark.parametrize("name", ["talk.mp3", "talk.wav", "talk.m3u8"])
def test_a_playlist_in_disguise_opens_no_connection(name: str, tmp_path: Path) -> None:
    visits: list[Any] = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.2)
        port = server.getsockname()[1]
        ended = threading.Event()

        def listen() -> None:
            while not ended.is_set():
                try:
                    visits.append(server.accept())
                except TimeoutError:
                    continue

        listener = threading.Thread(target=listen)
        listener.start()
        playlist = tmp_path / name
        playlist.write_text(
            f"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nhttp://127.0.0.1:{port}/a.ts\n#EXT-X-ENDLIST\n"
        )
        with pytest.raises(BadRecording):
            run(source(playlist).audio.output("-", f="null"), fault=BadRecording)
        ended.set()
        listener.join()
    assert visits == []


def test_a_script_in_disguise_reads_no_other_file(tmp_path: Path, phone_call: Path) -> None:
    script = tmp_path / "talk.wav"
    script.write_text(f"ffconcat version 1.0\nfile '{phone_call}'\n")
    with pytest.raises(BadRecording):
        run(source(script).audio.output("-", f="null"), fault=BadRecording)
