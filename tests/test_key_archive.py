"""An archive comes back to the byte, or is refused with one clear line."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swarmp2p.crypto.identity import seal_identity
from swarmp2p.crypto.keys import Secret
from swarmp2p.errors import ConfigError, StateError
from swarmp2p.key_archive import (
    KeyArchive,
    check_archive,
    decode_archive,
    encode_archive,
    open_archive,
    seal_archive,
)
from swarmp2p.launch import SystemRng
from swarmp2p.seams import Slot
from swarmp2p.store.guards import GuardRow, GuardState, SequenceRow
from swarmp2p.wire import canonical
from swarmp2p.wire.frames import encode_frame
from swarmp2p.wire.registry import MAX_CONTROL_FRAME, TAG_KEY_ARCHIVE

D = b"d" * 32
WORDS = Secret(b"four hospitals")
GUARD = GuardRow(D, Slot("commit", 3, 0), b"signed")
SEQUENCE = SequenceRow(D, "hello", b"p" * 32, 1025)
ARCHIVE = KeyArchive(Secret(b"s" * 32), Secret(b"a" * 32), GuardState((GUARD,), (SEQUENCE,)))
EMPTY = replace(ARCHIVE, state=GuardState())
PLAIN = encode_archive(ARCHIVE)
HEAD = {"account": b"a" * 32, "guards": 0, "seed": b"s" * 32, "sequences": 0, "version": 1}
ROW = {
    "attempt": 0,
    "body": [b"x"],
    "domain": D,
    "index": 0,
    "kind": "commit",
    "recipient": bytes(32),
    "round": 3,
}
SEQ = {"domain": D, "kind": "hello", "recipient": b"", "reserved": 5}


@pytest.fixture(scope="module")
def sealed():
    return seal_archive(ARCHIVE, WORDS, SystemRng())


def frames(*values):
    return b"".join(encode_frame(canonical.encode(value)) for value in values)


def test_archive__opens_with_its_passphrase_only(sealed):
    assert open_archive(sealed, WORDS) == ARCHIVE
    assert sealed.startswith(TAG_KEY_ARCHIVE)
    for secret in (ARCHIVE.seed, ARCHIVE.account):
        assert secret.reveal() not in sealed
        assert secret.reveal().decode() not in repr(ARCHIVE)
    with pytest.raises(ConfigError, match="passphrase is wrong or the file is damaged"):
        open_archive(sealed, Secret(b"five hospitals"))


def test_archive__with_a_byte_changed_or_cut_off_does_not_open(sealed):
    size = len(TAG_KEY_ARCHIVE)
    for damaged in (
        *(sealed[:at] + bytes([sealed[at] ^ 1]) + sealed[at + 1 :] for at in (size, size + 20, -1)),
        sealed[:-1],
        sealed[: size + 57],
        sealed + b"\0",
    ):
        with pytest.raises(ConfigError, match="does not open"):
            open_archive(damaged, WORDS)


@pytest.mark.parametrize(
    ("blob", "complaint"),
    [
        (b"", "no archive"),
        (b"PK\3\4", "no archive"),
        (b'{"x": 1}', "no archive"),
        (TAG_KEY_ARCHIVE, "cut off"),
        (TAG_KEY_ARCHIVE + bytes(56), "cut off"),
        (TAG_KEY_ARCHIVE[:10], "cut off"),
        (TAG_KEY_ARCHIVE.replace(b"v1", b"v2") + bytes(999), "another version"),
        (TAG_KEY_ARCHIVE.replace(b"v1", b"v12") + bytes(999), "another version"),
        (b'{"version": 3, "crypto": {}}', "bare key file"),
    ],
)
def test_another_file__is_named_without_a_passphrase(blob, complaint):
    with pytest.raises(ConfigError, match=complaint):
        check_archive(blob)


def test_identity_file__is_refused_because_it_has_no_guard_rows():
    blob = seal_identity(ARCHIVE.seed, WORDS, SystemRng())
    with pytest.raises(ConfigError, match="does not say what was signed"):
        check_archive(blob)


def test_frames__say_what_the_head_and_rows_are():
    row = {**ROW, "body": [b"signed"]}
    sequence = {**SEQ, "recipient": b"p" * 32, "reserved": 1025}
    assert frames({**HEAD, "guards": 1, "sequences": 1}, row, sequence) == PLAIN


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        ([{**HEAD, "version": 2}], "version 2, this program reads 1"),
        ([{**HEAD, "version": 2, "more": 1}], "version 2"),
        ([{**HEAD, "version": True}], "damaged"),
        ([{**HEAD, "more": 1}], "more"),
        ([{**HEAD, "seed": b"short"}], "seed must be 32 bytes, not bytes of length 5"),
        ([{**HEAD, "account": None}], "account"),
        ([5], "a map is expected"),
        ([], "fewer rows"),
        ([{**HEAD, "guards": 1}], "fewer rows"),
        ([{**HEAD, "guards": 2**40}], "guards"),
        ([HEAD, ROW], "rows follow"),
        ([{**HEAD, "guards": 2}, ROW, ROW], "a slot stands there twice"),
        ([{**HEAD, "guards": 2}, ROW, {**ROW, "body": [b"y"]}], "a slot stands there twice"),
        ([{**HEAD, "sequences": 2}, SEQ, SEQ], "a sequence stands there twice"),
        ([{**HEAD, "guards": 1}, {**ROW, "body": [b"x", b"y"]}], "body"),
        ([{**HEAD, "guards": 1}, {**ROW, "body": ["x"]}], "body"),
        ([{**HEAD, "guards": 1}, {**ROW, "recipient": "x"}], "recipient is no bytes"),
        ([{**HEAD, "guards": 1}, {**ROW, "round": 2**63}], "round"),
        ([{**HEAD, "sequences": 1}, {**SEQ, "reserved": None}], "reserved"),
    ],
)
def test_rows__other_than_an_export_writes_are_refused(values, complaint):
    with pytest.raises(ConfigError, match=complaint):
        decode_archive(frames(*values))


@given(st.binary(max_size=200), st.integers(0, len(PLAIN)), st.integers(0, 8))
def test_plain_bytes__end_as_an_archive_or_a_config_error(noise, at, gap):
    for data in (noise, PLAIN[:at] + noise + PLAIN[at + gap :]):
        try:
            archive = decode_archive(data)
        except ConfigError:
            continue
        assert encode_archive(archive) == data


@given(
    st.lists(
        st.builds(
            GuardRow,
            st.binary(min_size=32, max_size=32),
            st.builds(
                Slot,
                st.text("abc-", min_size=1, max_size=31),
                st.integers(0, 2**63 - 1),
                st.integers(0, 3),
                st.binary(max_size=40),
                st.integers(0, 9),
            ),
            st.binary(max_size=70),
        ),
        max_size=5,
        unique_by=lambda row: (row.domain, row.slot),
    )
)
def test_any_guard_rows__come_back(rows):
    archive = replace(EMPTY, state=GuardState(tuple(rows)))
    assert decode_archive(encode_archive(archive)) == archive


@pytest.mark.parametrize("size", [0, 65_535, MAX_CONTROL_FRAME])
def test_a_body_of_any_size_a_store_takes__comes_back(size):
    state = GuardState((replace(GUARD, body=bytes(size)),))
    assert decode_archive(encode_archive(replace(EMPTY, state=state))).state == state


@pytest.mark.parametrize(
    "row",
    [
        replace(GUARD, slot=Slot("commit", -1, 0)),
        replace(GUARD, slot=Slot("k" * 32, 1, 0)),
        replace(GUARD, domain=b"short"),
        replace(GUARD, body="text"),
        replace(GUARD, body=None),
    ],
)
def test_a_row_that_could_not_be_read_back__is_found_out_at_the_export(row):
    with pytest.raises(StateError, match="no node has written"):
        encode_archive(replace(EMPTY, state=GuardState((row,))))


def test_more_rows_than_an_archive_holds__are_refused_with_what_to_do(monkeypatch):
    monkeypatch.setattr("swarmp2p.key_archive.MAX_BYTES", 200)
    with pytest.raises(StateError, match="as a whole"):
        seal_archive(ARCHIVE, WORDS, SystemRng())
