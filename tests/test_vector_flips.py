"""One byte of a valid message flipped: whatever is authenticated is refused, all else differs.

For each valid vector, every byte of a short message is flipped, and of a long one its ends and a
sample; each in its lowest and in its highest bit.
"""

from bisect import bisect_left
from collections.abc import Iterator
from typing import Any

import pytest
from vector_cases import ask, valid

from swarmp2p.conformance.cases import Case
from swarmp2p.target.notation import data_of

WHOLE = 1_500  # bytes: shorter ones are flipped everywhere
ENDS = 300  # bytes at each end of a longer one
LONG = 20  # places sampled in between

AUTHENTICATED = ("envelope.verify", "gossip.judge", "chunk.verify", "getter.machine")
PLAIN = (
    "chunk_reply.decode",
    "chunk_request.decode",
    "envelope.decode",
    "hello.decode",
    "run_manifest.decode",
    "schema.decode",
    "update_manifest.decode",
    "value.decode",
)


def of(op: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("case", valid(op), ids=lambda case: case.id)


def flips(data: bytes, *, ends: int = ENDS) -> Iterator[str]:
    """Hexadecimal text of `data` with one byte flipped, for many bytes."""
    places = range(len(data))
    if len(data) > WHOLE:
        step = max(1, len(data) // LONG)
        places = sorted({*places[:ends], *places[::step], *places[-ends:]})
    for place in places:
        for mask in (0x01, 0x80):
            flipped = bytearray(data)
            flipped[place] ^= mask
            yield flipped.hex()


@pytest.mark.parametrize("op", AUTHENTICATED + PLAIN)
def test_an_operation_of_these_tests__has_valid_vectors(op: str) -> None:
    assert valid(op), f"no vector of {op} demands an output"


@pytest.mark.parametrize(
    "case", [case for op in PLAIN for case in valid(op)], ids=lambda case: case.id
)
def test_a_flip_in_a_plain_message__is_refused_or_another_message(case: Case) -> None:
    given = dict(case.input)
    for data in flips(data_of(given["data"])):
        found = ask(case.op, {**given, "data": data})
        assert "CRASH" not in found.values(), data
        assert found != case.expected, data


@of("envelope.verify")
def test_a_flip_in_a_signed_envelope__is_refused(case: Case) -> None:
    given = dict(case.input)
    for data in flips(data_of(given["data"])):
        assert refused(ask("envelope.verify", {**given, "data": data})), data


def accepted_first(case: Case) -> bool:
    """Whether the first announcement of a case of gossip is accepted."""
    return bool(case.output["verdicts"]) and case.output["verdicts"][0]["outcome"] == "ACCEPT"


@pytest.mark.parametrize(
    "case", list(filter(accepted_first, valid("gossip.judge"))), ids=lambda case: case.id
)
def test_a_flip_in_an_announced_manifest__is_never_accepted(case: Case) -> None:
    given = dict(case.input)
    first = given["steps"][0]
    for data in flips(data_of(first["data"])):
        found = ask("gossip.judge", {**given, "steps": [{**first, "data": data}]})
        (verdict,) = found["output"]["verdicts"]
        assert verdict["outcome"] != "ACCEPT", data
        assert verdict["code"] != "OK", data


def test_gossip__has_a_vector_that_begins_with_an_accepted_manifest() -> None:
    assert any(map(accepted_first, valid("gossip.judge")))


@of("chunk.verify")
def test_a_flip_in_a_chunk_its_proof_or_its_root__is_refused(case: Case) -> None:
    given = dict(case.input)
    for data in flips(data_of(given["data"]), ends=10):
        assert refused(ask("chunk.verify", {**given, "data": data}))
    given["data"] = data_of(given["data"]).hex()
    small = {**given, "data": given["data"]}
    for root in flips(data_of(given["root"])):
        assert refused(ask("chunk.verify", {**small, "root": root})), root
    for place, node in enumerate(given["proof"]):
        for flipped in flips(data_of(node)):
            proof = [*given["proof"][:place], flipped, *given["proof"][place + 1 :]]
            assert refused(ask("chunk.verify", {**small, "proof": proof})), proof


def refused(found: dict[str, Any]) -> bool:
    """Whether an answer is a refusal by a rule."""
    return "error" in found and found["error"] not in {"CRASH", "REFUSED"}


def fetches(case: Case) -> bool:
    """Whether a getter fetches all it wants, and every answer is a chunk."""
    events = [event for entry in case.output["log"] for event in entry["events"]]
    return {"done": True} in events and not any("refused" in event for event in events)


def verified(given: dict[str, Any], data: str) -> int:
    """How many chunks a getter takes from these bytes, all in one piece."""
    step = {"at": 0, "receive": data}
    log = ask("getter.machine", {**given, "steps": [step]})["output"]["log"]
    return sum("verified" in event for entry in log for event in entry["events"])


FETCHES = list(filter(fetches, valid("getter.machine")))


@pytest.mark.parametrize("case", FETCHES, ids=lambda case: case.id)
def test_a_flip_in_a_chunk_reply__is_never_a_verified_chunk(case: Case) -> None:
    given = dict(case.input)
    window = max(1, min(16, len(given["want"])))
    given = {**given, "window": window, "want": given["want"][:window]}
    stream = b"".join(data_of(step["receive"]) for step in given["steps"] if "receive" in step)
    # What follows the last answer is not read.
    read = bisect_left(range(len(stream)), window, key=lambda n: verified(given, stream[:n].hex()))
    for data in flips(stream[:read]):
        assert verified(given, data) < window, data


def test_getter__has_a_vector_that_fetches_everything() -> None:
    assert FETCHES
