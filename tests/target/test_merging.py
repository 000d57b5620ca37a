"""The runner's answers about optimisers, integers and secure sums, worked out by hand."""

import struct

import pytest

from swarmp2p.target.merging import OPERATIONS
from swarmp2p.target.runner import answer


def single(*values: float) -> str:
    return struct.pack(f">{len(values)}f", *values).hex()


def double(value: float) -> str:
    return struct.pack(">d", value).hex()


def asked(operation: str, **given: object) -> dict[str, object]:
    return answer(OPERATIONS, operation, given)


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("max", ["7", "9223372036854775807"]),
        ("min", ["1", "-9223372036854775808"]),
        ("median", ["3", "5"]),
        ("base", ["8", "0"]),
    ],
)
def test_integers__are_merged_by_the_rule(rule, expected):
    updates = [["1", "5"], ["7", str(2**63 - 1)], ["3", str(-(2**63))]]
    given = asked("merge.integers", rule=rule, base=["8", "0"], updates=updates)
    assert given == {"output": {"vector": expected}}


def test_integers__are_refused_for_another_rule():
    given = asked("merge.integers", rule="sum", base=["8"], updates=[["1"]])
    assert given == {"error": "REFUSED"}


def test_integers__beyond_their_type_are_refused():
    for beyond in (2**63, -(2**63) - 1):
        given = asked("merge.integers", rule="max", base=["8"], updates=[[str(beyond)]])
        assert given == {"error": "REFUSED"}
    base = {"bits": single(1.0)}
    for beyond in (2**31, -(2**31) - 1):
        given = {"clip": double(1.0), "commitments": 2, "base": base, "updates": [[str(beyond)]]}
        assert asked("secure.sum", **given) == {"error": "REFUSED"}


def optimise(optimiser, state, params, *, kind="f32", pack=single):
    return asked(
        "merge.optimise",
        type=kind,
        optimiser=optimiser,
        params={name: double(value) for name, value in params.items()},
        merged={"bits": pack(3.0)} if kind == "f64" else {"bits": pack(3.0, 9.0)},
        base={"bits": pack(1.0)} if kind == "f64" else {"bits": pack(1.0, 1.0)},
        state=[{"bits": pack(*one)} for one in state],
        steps="4",
        stats=[] if kind == "f64" else [[1, 2]],
    )


def test_optimise__takes_a_step_with_defaults_for_what_is_absent():
    # v' = 0.5 * 4 + 2 = 4; x = 1 + 1 * 4
    assert optimise("fedavgm", [(4.0, 0.0)], {"momentum": 0.5}) == {
        "output": {
            "vector": {"bits": single(5.0, 9.0)},
            "state": [{"bits": single(4.0, 0.0)}],
            "steps": "5",
        }
    }


def test_optimise__works_in_binary64_too():
    # u' = 0.5 * 2 + 0.5 * 2 = 2, v' = 0.5 * 28 + 0.5 * 4 = 16; both over 1 - 2^-5
    found = optimise(
        "fedadam",
        [(2.0,), (28.0,)],
        {"beta1": 0.5, "beta2": 0.5, "lr": 1.0, "tau": 1.0},
        kind="f64",
        pack=double,
    )["output"]
    assert found["state"] == [{"bits": double(2.0)}, {"bits": double(16.0)}]
    assert found["steps"] == "5"
    (x,) = struct.unpack(">d", bytes.fromhex(found["vector"]["bits"]))
    assert x == pytest.approx(1 + (2 * 32 / 31) / ((16 * 32 / 31) ** 0.5 + 1), rel=1e-15)


@pytest.mark.parametrize(
    ("optimiser", "params"),
    [("fedavgm", {"lr": 1e-60}), ("nesterov", {"tau": 1.0}), ("adam", {}), ("none", {"lr": 1.0})],
)
def test_optimise__refuses_what_no_run_may_have(optimiser, params):
    assert optimise(optimiser, [(4.0, 0.0)], params) == {"error": "REFUSED"}


def test_secure__quantises_and_sums():
    base, clip = {"bits": single(1.0, 0.0)}, double(2.0**29)
    update = {"bits": single(2.0, -(2.0**30))}
    quantised = asked("secure.quantise", clip=clip, commitments=2, base=base, update=update)
    # a change of 1 is (2^30 - 1) / 2^29 units
    assert quantised == {"output": {"integers": ["2", "-1073741823"]}}
    updates = [["2", "-1073741823"], ["4", "1073741823"]]
    summed = asked("secure.sum", clip=clip, commitments=2, base=base, updates=updates)
    assert summed == {"output": {"vector": {"bits": single(2.5, 0.0)}}}


def test_secure__refuses_too_many():
    base = {"bits": single(1.0)}
    given = {"clip": double(1.0), "base": base}
    assert asked("secure.sum", commitments=2, updates=[["0"]] * 3, **given) == {"error": "REFUSED"}
    refused = asked("secure.quantise", commitments=65, update=base, **given)
    assert refused == {"error": "REFUSED"}
