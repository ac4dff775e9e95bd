"""The registry of settings: precedence, validation with exact texts, scopes, cache keys."""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from loopstack import knobs
from loopstack.errors import ArgumentError


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for knob in knobs.KNOBS.values():
        monkeypatch.delenv(knob.env, raising=False)
    yield
    for name in knobs.KNOBS:
        knobs.set(**{name: None})


def test_precedence(monkeypatch: pytest.MonkeyPatch) -> None:
    assert knobs.value("isa") is None
    monkeypatch.setenv("LOOPSTACK_ISA", "avx2")
    assert knobs.value("isa") == "avx2"
    knobs.set(isa="avx512")
    assert knobs.value("isa") == "avx512"
    with knobs.scope(isa="neon"):
        assert knobs.value("isa") == "neon"
        with knobs.scope(isa="neon_fp16", num_threads=3):
            assert (knobs.value("isa"), knobs.value("num_threads")) == ("neon_fp16", 3)
        assert knobs.value("isa") == "neon"
    knobs.set(isa=None)
    assert knobs.value("isa") == "avx2"


@pytest.mark.parametrize(
    ("variable", "text", "message"),
    [
        (
            "LOOPSTACK_ISA",
            "sse",
            "the environment variable LOOPSTACK_ISA must be one of avx2, avx512, neon, neon_fp16, "
            "found 'sse' (default: the widest this CPU has)",
        ),
        (
            "LOOPSTACK_NUM_THREADS",
            "0",
            "the environment variable LOOPSTACK_NUM_THREADS must be an integer from 1 to 512, "
            "found '0' (default: the CPUs this process may use)",
        ),
        (
            "LOOPSTACK_CODE_MEMORY_LIMIT",
            "12 parsecs",
            "the environment variable LOOPSTACK_CODE_MEMORY_LIMIT must be a size of at least "
            "1 MiB, such as 64M or 1G, found '12 parsecs' (default: 256M)",
        ),
    ],
)
def test_bad_environment(
    monkeypatch: pytest.MonkeyPatch, variable: str, text: str, message: str
) -> None:
    monkeypatch.setenv(variable, text)
    name = variable.removeprefix("LOOPSTACK_").lower()
    with pytest.raises(ArgumentError) as caught:
        knobs.value(name)
    assert str(caught.value) == message


def test_bad_value_in_python_changes_nothing() -> None:
    with pytest.raises(ArgumentError) as caught:
        knobs.set(num_threads=2.5)
    assert str(caught.value) == (
        "num_threads must be an integer from 1 to 512, found 2.5 "
        "(default: the CPUs this process may use)"
    )
    with pytest.raises(ArgumentError), knobs.scope(isa="avx2", num_threads=True):
        pass
    assert knobs.value("isa") is None


def test_unknown_name() -> None:
    with pytest.raises(ArgumentError) as caught:
        knobs.value("speed")
    assert str(caught.value) == (
        "unknown setting 'speed'; settings are isa, num_threads, store, code_memory_limit"
    )


def test_sizes_and_paths(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOOPSTACK_CODE_MEMORY_LIMIT", "64 MiB")
    assert knobs.value("code_memory_limit") == 64 << 20
    monkeypatch.setenv("XDG_DATA_HOME", "/data")
    assert knobs.value("store") == Path("/data/loopstack/records.db")
    monkeypatch.setenv("LOOPSTACK_STORE", "~/mine.db")
    assert knobs.value("store") == Path.home() / "mine.db"


def test_code_key_holds_exactly_what_affects_code() -> None:
    before = knobs.code_key()
    assert [name for name, _ in before] == ["isa", "num_threads"]
    with knobs.scope(isa="avx512"):
        assert knobs.code_key() != before
    with knobs.scope(store="/elsewhere/records.db", code_memory_limit="1G"):
        assert knobs.code_key() == before


def test_scope_is_of_its_context() -> None:
    seen: list[object] = []
    with knobs.scope(isa="avx2"):
        thread = threading.Thread(target=lambda: seen.append(knobs.value("isa")))
        thread.start()
        thread.join()
        copied = contextvars.copy_context()
    assert seen == [None]
    assert copied.run(knobs.value, "isa") == "avx2"


def test_listeners_hear_of_scopes_and_defaults() -> None:
    heard: list[tuple[int, int]] = []
    knobs.on_change(lambda *state: heard.append(state))
    generation, scopes = heard[0]
    with knobs.scope(isa="avx2"):
        assert heard[-1] == (generation, scopes + 1)
    knobs.set(isa="avx2")
    assert heard[-1] == (generation + 1, scopes)


def test_describe_lists_every_knob() -> None:
    assert [row[:2] for row in knobs.describe()] == [(k.name, k.env) for k in knobs.KNOBS.values()]
