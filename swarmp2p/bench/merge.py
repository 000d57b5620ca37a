"""Merge rules and encodings against a memcpy of one vector, plain NumPy and torch.

Each row times rules.merge() into a vector that is there, checks included. Baselines that are not
ours run on at most NAIVE_ELEMENTS elements and are scaled: their cost is linear, and a stack of
whole models may not fit into memory.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np
from rich import box
from rich.table import Table

from swarmp2p.bench import naive
from swarmp2p.bench.clock import Timing, Work, baseline, beside, peak_mb
from swarmp2p.errors import ConfigError, MergeError
from swarmp2p.merge import codec, rules
from swarmp2p.merge.terms import Vector
from swarmp2p.wire.registry import CHUNK_ELEMENTS, ENCODING_BF16, ENCODING_INT8

NAIVE_ELEMENTS = 1 << 22
MAX_PARAMS = 1 << 30
MAX_PEERS = 256
CODECS = ("encode bf16", "decode bf16", "encode int8", "decode int8")
# the multiplications and additions of `mean` alone: what is left of it when nothing is checked
PASSES = "numpy:mean_passes"
TORCH = ("torch:mean_add_alpha", "torch:mean_stack", "torch:median")
BASELINES = (PASSES, *TORCH)
_WEIGHTS = (303, 120, 900, 250, 411, 77, 380, 505)


@dataclass(frozen=True, slots=True)
class MergeBench:
    """What to measure. Raises ConfigError for values outside their range and unknown names."""

    params: int = 25_000_000
    peers: tuple[int, ...] = (4, 8)
    repeat: int = 5
    rules: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not 1 <= self.params <= MAX_PARAMS:
            raise ConfigError(f"--params is {self.params}; expected 1 to {MAX_PARAMS}")
        if not self.peers or not all(1 <= count <= MAX_PEERS for count in self.peers):
            raise ConfigError(
                f"--peers is {','.join(map(str, self.peers))!r}; expected numbers from 1 to "
                f"{MAX_PEERS} with commas between them"
            )
        if not 1 <= self.repeat <= 1_000:
            raise ConfigError(f"--repeat is {self.repeat}; expected 1 to 1000")
        for name in self.rules:
            if name not in (*CODECS, *BASELINES):
                _rule(name)
        if not list(_names(self)):
            raise ConfigError("--rules: none of these rules merges so few updates; see --peers")

    @property
    def names(self) -> tuple[str, ...]:
        """The rows that are wanted."""
        if self.rules:
            return self.rules
        torch = TORCH if find_spec("torch") else ()
        return (*rules.rule_names(), PASSES, *torch, *CODECS)


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the result. CPU counts all threads; `ratio` is cpu_ms over memcpy_ms.

    naive_ratio: how many times as much CPU the plain way takes. wall_2_threads_ms: with a pool of
    two. extra_mb: beyond updates, base and result. gb_per_s: float32 per CPU second.
    """

    rule: str
    peers: int
    cpu_ms: float
    wall_ms: float
    memcpy_ms: float
    ratio: float
    naive_ratio: float | None
    gb_per_s: float
    extra_mb: float | None = None
    wall_2_threads_ms: float | None = None


def measure(options: MergeBench) -> Iterator[Row]:
    """Yield the rows one by one, as they are measured. Raises ConfigError if torch is missing."""
    rng = np.random.default_rng(1)
    most = max(options.peers)
    rows: list[Vector] = [
        rng.standard_normal(options.params, dtype=np.float32) for _ in range(most)
    ]
    bench = _Bench(options, rows, rng.standard_normal(options.params, dtype=np.float32))
    for name, count in _names(options):
        if name in CODECS:
            yield bench.codec(name)
        elif name == PASSES:
            yield bench.passes(count)
        elif name in TORCH:
            yield bench.torch(name, count)
        else:
            yield bench.rule(name, count)


def to_json(rows: Sequence[Row]) -> dict[str, Any]:
    """`{"rows": [...]}`, numbers rounded to four digits."""
    return {"rows": [{key: _short(value) for key, value in asdict(row).items()} for row in rows]}


def table(options: MergeBench, rows: Sequence[Row]) -> Table:
    """The rows for people."""
    title = f"{options.params:,} float32, medians of {options.repeat}"
    grid = Table(title=title, box=box.SIMPLE_HEAD, show_edge=False, padding=0)
    grid.add_column("rule", no_wrap=True)
    for heading in ("peers", "CPU ms", "wall", "2 thr.", "x memcpy", "x naive", "MB", "GB/s"):
        grid.add_column(heading, justify="right", no_wrap=True)
    for row in rows:
        figures = (
            (row.cpu_ms, ".0f"),
            (row.wall_ms, ".0f"),
            (row.wall_2_threads_ms, ".0f"),
            (row.ratio, ".2f"),
            (row.naive_ratio, ".1f"),
            (row.extra_mb, ".1f"),
            (row.gb_per_s, ".2f"),
        )
        cells = ["" if value is None else format(value, style) for value, style in figures]
        grid.add_row(row.rule, str(row.peers), *cells)
    return grid


class _Bench:
    """The vectors, and how each kind of row is timed."""

    def __init__(self, options: MergeBench, rows: list[Vector], base: Vector) -> None:
        self._repeat, self._rows, self._base = options.repeat, rows, base
        self._out: Vector = np.zeros_like(base)
        self._copy: Vector = np.zeros_like(base)
        self._part = slice(0, min(base.size, NAIVE_ELEMENTS))
        self._scale = base.size / self._part.stop

    def rule(self, name: str, count: int) -> Row:
        """One merge rule."""
        rows, weights = self._rows[:count], _weights(count)
        rule = _rule(name)

        def ours(pool: ThreadPoolExecutor | None = None) -> object:
            threads = 1 if pool is None else 2
            return rules.merge(
                rows, self._base, weights, rule, pool=pool, threads=threads, out=self._out
            )

        timing = self._time(ours)
        with ThreadPoolExecutor(2) as pool:
            two = beside(lambda: ours(pool), self._memcpy, self._repeat).wall_ms
        plain: Work | None = None
        if name in naive.RULES:
            parts = [row[self._part] for row in rows]
            plain = _call(naive.RULES[name], parts, self._base[self._part], np.array(weights))
        row = self._row(name, count, timing, plain)
        return replace(row, extra_mb=peak_mb(ours), wall_2_threads_ms=two)

    def codec(self, name: str) -> Row:
        """One direction of an encoding, chunk by chunk: each is used and let go, as on the wire."""
        parts = [slice(at, at + CHUNK_ELEMENTS) for at in range(0, self._base.size, CHUNK_ELEMENTS)]
        one, plain = _codec_work(name, self._rows[0], self._base, self._out, self._part)
        work = [_call(one, part) for part in parts]

        def ours() -> None:
            for step in work:
                step()

        return replace(self._row(name, 1, self._time(ours), plain), extra_mb=peak_mb(ours))

    def passes(self, count: int) -> Row:
        """The passes of `mean` over memory: no rule in NumPy can be faster."""
        rows, total = self._rows[:count], sum(_weights(count))
        shares = [weight / total for weight in _weights(count)]
        return self._row(PASSES, count, self._time(_call(naive.passes, rows, shares, self._out)))

    def torch(self, name: str, count: int) -> Row:
        """Torch on one thread: by add_ with alpha; the mean and the median of a stack of parts."""
        if find_spec("torch") is None:
            raise ConfigError(f"--rules: {name!r} needs torch, which is not installed")
        torch = import_module("torch")
        before = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            if name == TORCH[0]:
                return self._row(name, count, self._time(self._add_alpha(torch, count)))
            parts = [torch.from_numpy(row[self._part]) for row in self._rows[:count]]

            def mean() -> None:
                torch.stack(parts).mean(dim=0)

            def median() -> None:
                torch.stack(parts).median(dim=0)

            timing = self._time(mean if name == TORCH[1] else median)
            return self._row(name, count, timing.scaled(self._scale))
        finally:
            torch.set_num_threads(before)

    def _add_alpha(self, torch: Any, count: int) -> Work:
        """The weighted mean, term by term."""
        rows = [torch.from_numpy(row) for row in self._rows[:count]]
        out, total = torch.from_numpy(self._out), sum(_weights(count))
        shares = [weight / total for weight in _weights(count)]

        def add() -> None:
            torch.mul(rows[0], shares[0], out=out)
            for row, share in zip(rows[1:], shares[1:], strict=True):
                out.add_(row, alpha=share)

        return add

    def _memcpy(self) -> None:
        np.copyto(self._copy, self._base)

    def _time(self, work: Work) -> Timing:
        return beside(work, self._memcpy, self._repeat)

    def _row(self, name: str, peers: int, timing: Timing, plain: Work | None = None) -> Row:
        """A row; what only some kinds have is put in by replace()."""
        ratio = None
        if plain is not None:
            ratio = baseline(plain, self._repeat) * self._scale / max(timing.cpu_ms, 1e-3)
        return Row(
            rule=name,
            peers=peers,
            cpu_ms=timing.cpu_ms,
            wall_ms=timing.wall_ms,
            memcpy_ms=timing.memcpy_ms,
            ratio=timing.ratio,
            naive_ratio=ratio,
            gb_per_s=peers * self._base.nbytes / 1e6 / max(timing.cpu_ms, 1e-3),
        )


def _codec_work(
    name: str, values: Vector, base: Vector, out: Vector, small: slice
) -> tuple[Callable[[slice], object], Work]:
    """Our work on one chunk, and the plain way on `small`."""
    chunks: dict[int, bytes] = {}

    def encoded(part: slice) -> bytes:
        if name.endswith("bf16"):
            return codec.encode_bf16(values[part])
        return codec.encode_int8(values[part], base[part])

    def decoded(part: slice) -> None:
        if part.start not in chunks:
            chunks[part.start] = encoded(part)
        encoding = ENCODING_BF16 if name.endswith("bf16") else ENCODING_INT8
        codec.decode_into(out[part], chunks[part.start], encoding, base[part])

    if name == "encode bf16":
        return encoded, _call(naive.encode_bf16, values[small])
    if name == "decode bf16":
        return decoded, _call(naive.decode_bf16, naive.encode_bf16(values[small]))
    if name == "encode int8":
        return encoded, _call(naive.encode_int8, values[small], base[small])
    scale, levels = naive.encode_int8(values[small], base[small])
    return decoded, _call(naive.decode_int8, scale, levels, base[small])


def _call(function: Callable[..., object], *arguments: object) -> Work:
    return lambda: function(*arguments)


def _names(options: MergeBench) -> Iterator[tuple[str, int]]:
    """Each row's name and number of peers; rules that need more peers are left out."""
    for name in options.names:
        if name in CODECS:
            yield name, 1
            continue
        least = 1 if name in BASELINES else _least(name)
        yield from ((name, count) for count in options.peers if count >= least)


def _rule(name: str) -> Any:
    try:
        return rules.rule_named(name)
    except MergeError as error:
        extra = ", ".join((*BASELINES, *CODECS))
        raise ConfigError(f"--rules: {error}; or a row: {extra}") from None


def _least(name: str) -> int:
    """How many updates a rule needs, with the rule after nnm+."""
    rule = _rule(name)
    inner = getattr(rule, "inner", rule)
    return int(max(rule.min_peers, inner.min_peers))


def _weights(count: int) -> list[int]:
    return [_WEIGHTS[k % len(_WEIGHTS)] for k in range(count)]


def _short(value: object) -> object:
    return float(f"{value:.4g}") if isinstance(value, float) else value
