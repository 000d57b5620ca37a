"""Keys of members on a real chain: rotation, proofs, and who is out of a run."""

import tracemalloc
from contextlib import AsyncExitStack
from typing import Any

import pytest
from eth_abi.abi import decode, encode
from ledger_site import GENESIS, RunSite, SiteMaker

from swarmp2p.crypto.identity import enrol_preimage
from swarmp2p.crypto.keys import IdentityKey
from swarmp2p.errors import LedgerUnavailableError, NotEnrolledError, TransactionRevertedError
from swarmp2p.ledger import deploy
from swarmp2p.ledger.abi import _type, contract_abi
from swarmp2p.ledger.interface import FaultKind
from swarmp2p.ledger.rpc import RpcClient, octets
from swarmp2p.ledger.views import RegistryReader, RunReader, read_block
from swarmp2p.wire.registry import MAX_MEMBER_KEYS, MAX_PEERS

EVIDENCE = b"\x55" * 32


def rotate(site: RunSite, who: int, seed: int, epoch: int, *, proof: bytes | None = None) -> bytes:
    """The member's new public key."""
    party, key = site.parties[who], IdentityKey.from_seed(bytes([seed]) * 32)
    message = enrol_preimage(site.chain.chain_id, site.registry, party.account, key.public, epoch)
    deploy.rotate(
        site.url,
        party.account_key,
        site.registry,
        peer=key.public,
        key_epoch=epoch,
        proof=key.sign(message) if proof is None else proof,
        pause=site.pause,
    )
    return key.public


async def test_a_rotation__shows_in_the_very_block_and_keeps_the_rounds_key(
    make_site: SiteMaker,
) -> None:
    site = make_site(3)
    old = site.parties[1].identity.public
    async with AsyncExitStack() as stack:
        ledgers = await site.open_all(stack)
        await ledgers[0].genesis(GENESIS)
        before = await ledgers[0].final_view()
        new = rotate(site, 1, 0x71, 9)
        view = await ledgers[0].final_view()
        member = view.members[1]
        assert (member.peer, member.key_epoch) == (new, 9)
        assert [key.peer for key in member.keys] == [old, new]
        assert member.keys[1].since == view.block.number > view.round.opened_block
        assert view.round_key(member).peer == new  # no deadline runs yet
        assert member.key_at(view.block.number).peer == new
        assert member.key_at(view.block.number - 1).peer == old
        assert view.member(old) is None
        assert view.holder(old) == view.member(new) == member
        assert (member.index, member.account, member.addresses, member.enrolled_block) == (
            *(1, site.parties[1].account, before.members[1].addresses),
            before.members[1].enrolled_block,
        )
        assert view.members[0] == before.members[0]


async def test_a_rotated_account__is_opened_with_its_new_key_only(make_site: SiteMaker) -> None:
    site = make_site(2)
    new = rotate(site, 0, 0x71, 1)
    async with site.open(0, peer=new) as ledger:
        assert (await ledger.final_view()).member(new) is not None
    with pytest.raises(NotEnrolledError, match="has rotated to the peer key"):
        async with site.open(0, peer=site.parties[0].identity.public):
            pass


async def test_a_rotation_with_a_bad_proof__revokes_the_member_in_its_block(
    make_site: SiteMaker,
) -> None:
    site = make_site(3)
    rotate(site, 2, 0x71, 1, proof=bytes(64))
    async with site.open(0) as ledger:
        bad = await ledger.final_view()
        assert ledger.bad_proofs == {2}
        assert [member.live for member in bad.members] == [True, True, False]
        assert bad.members[2].revoked_block == bad.members[2].keys[1].since
        # a good key on top does not heal it, and a revocation later does not move it
        rotate(site, 2, 0x72, 2)
        deploy.revoke(site.url, site.parties[2].account_key, site.registry, 2, pause=site.pause)
        later = await ledger.final_view()
        assert later.members[2].revoked_block == bad.members[2].revoked_block
        assert len(later.members[2].keys) == 3


MEMBERS = "(address,uint64,uint64,string,(bytes32,uint64,uint64,bytes)[])[]"


class Endpoint:
    """A chain that gives one answer to every view."""

    shown = "a liar"

    def __init__(self, members: int, keys: int) -> None:
        row = ("0x" + "11" * 20, 1, 0, "", [(bytes(32), 0, 1, bytes(64))] * keys)
        self._answer = "0x" + encode([MEMBERS], [[row] * members]).hex()

    def call(self, _method: str, *_parameters: object) -> str:
        return self._answer


@pytest.mark.parametrize(
    ("members", "keys", "complaint"),
    [
        (1, 0, "has 0 keys; 1 to 16"),
        (1, MAX_MEMBER_KEYS + 1, "has 17 keys; 1 to 16"),
        (MAX_PEERS + 1, 1, "has 65 members; at most 64"),
    ],
)
def test_a_registry_that_gives_more_than_the_contract_takes__is_not_believed(
    members: int, keys: int, complaint: str
) -> None:
    reader = RegistryReader(Endpoint(members, keys), 1, bytes(20))  # type: ignore[arg-type] # a chain of its own
    with pytest.raises(LedgerUnavailableError, match=complaint):
        reader.roll(1)


def test_a_registry_at_its_limits__is_read() -> None:
    endpoint = Endpoint(MAX_PEERS, MAX_MEMBER_KEYS)
    roll = RegistryReader(endpoint, 1, bytes(20)).roll(1)  # type: ignore[arg-type] # as above
    assert [len(member.keys) for member in roll.members] == [MAX_MEMBER_KEYS] * MAX_PEERS
    assert roll.bad_proofs == frozenset(range(MAX_PEERS))


async def test_fault_votes__exclude_a_member_from_the_run_and_not_from_the_registry(
    make_site: SiteMaker,
) -> None:
    site = make_site(4)
    async with AsyncExitStack() as stack:
        ledgers = await site.open_all(stack)
        await ledgers[0].genesis(GENESIS)
        for ledger in ledgers[:2]:
            await ledger.vote_fault(3, FaultKind.EQUIVOCATION, 1, EVIDENCE)
        assert (await ledgers[0].final_view()).members[3].live
        await ledgers[2].vote_fault(3, FaultKind.EQUIVOCATION, 1, EVIDENCE)
        view = await ledgers[0].final_view()
        assert view.excluded == {3}
        assert not view.members[3].live
        assert view.members[3].revoked_block == 0
        assert view.member(site.parties[3].identity.public) is None
        with pytest.raises(TransactionRevertedError):
            await ledgers[3].join()
        for ledger in ledgers[:2]:  # of three live ones, two are q(E)
            await ledger.vote_fault(3, FaultKind.FALSE_SHARD, 1, EVIDENCE)
        view = await ledgers[0].final_view()
        assert (view.barred, view.mesh_until) == ({3}, 12)
    assert [member.live for member in deploy.read_members(site.url, site.registry)] == [True] * 4


async def test_an_objection__opens_a_mesh_attempt_with_the_same_roster(
    make_site: SiteMaker,
) -> None:
    site = make_site(3, topology=1)
    async with AsyncExitStack() as stack:
        ledgers = await site.open_all(stack)
        assert (await ledgers[0].terms()).topology == 1
        await ledgers[0].genesis(GENESIS)
        for number, ledger in enumerate(ledgers):
            await ledger.commit(1, 0, bytes([number + 1]) * 32, 1, GENESIS)
        before = await ledgers[0].final_view()
        assert before.round.optimistic
        await ledgers[1].object(1, 0)
        await ledgers[1].object(1, 0)  # its effect is there: done
        view = await ledgers[0].final_view()
        assert (view.round.attempt, view.round.objected) == (1, {1})
        assert view.round.roster == before.round.roster
        assert view.mesh_until == 12  # f(3) + 1 = 1 objector renews all rights


def word(number: int) -> bytes:
    return number.to_bytes(32, "big")


def piled(members: int, keys: int, letters: int) -> str:
    """A `members()` whose members, and whose keys, all lie in one place."""
    text = b"a" * letters + bytes(-letters % 32)
    key = word(1) + word(0) + word(1) + word(128) + word(64) + bytes(64)
    row = word(1) * 2 + word(0) + word(160) + word(192 + len(text)) + word(letters) + text
    row += word(keys) + word(32 * keys) * keys + key
    return "0x" + (word(32) + word(members) + word(32 * members) * members + row).hex()


@pytest.mark.parametrize("shape", [(400, 400, 0), (2000, 1, 100_000)])
def test_an_answer_that_stands_for_far_more_than_its_bytes__is_not_unfolded(
    shape: tuple[int, int, int],
) -> None:
    endpoint = Endpoint(1, 1)
    endpoint._answer = piled(*shape)
    tracemalloc.start()
    try:
        reader = RegistryReader(endpoint, 1, bytes(20))  # type: ignore[arg-type] # as above
        with pytest.raises(LedgerUnavailableError, match="cannot be decoded"):
            reader.roll(1)
        assert tracemalloc.get_traced_memory()[1] < 50 * len(endpoint._answer)
    finally:
        tracemalloc.stop()


def test_addresses_longer_than_the_contract_takes__are_not_believed() -> None:
    endpoint = Endpoint(1, 1)
    endpoint._answer = piled(1, 1, 513)
    reader = RegistryReader(endpoint, 1, bytes(20))  # type: ignore[arg-type] # as above
    with pytest.raises(LedgerUnavailableError, match="513 characters; at most 512"):
        reader.roll(1)


def test_keys_that_an_endpoint_invents__do_not_fill_the_memory() -> None:
    endpoint = Endpoint(1, 1)
    reader = RegistryReader(endpoint, 1, bytes(20))  # type: ignore[arg-type] # as above
    for poll in range(MAX_PEERS * MAX_MEMBER_KEYS + 10):
        row = ("0x" + "11" * 20, 1, 0, "", [(word(poll), 0, 1, bytes(64))])
        endpoint._answer = "0x" + encode([MEMBERS], [[row]]).hex()
        assert reader.roll(poll).bad_proofs == {0}
    assert len(reader._verified) <= MAX_PEERS * MAX_MEMBER_KEYS


class Editing:
    """A chain whose `snapshot` has other bits."""

    def __init__(self, rpc: RpcClient, **changed: int) -> None:
        self._rpc, self._changed, self.shown, self.timeout = rpc, changed, "a liar", 10.0
        self._outputs = contract_abi("SwarmRun")._functions["snapshot"]["outputs"]

    def call(self, method: str, *parameters: Any) -> Any:
        answer = self._rpc.call(method, *parameters)
        selector = "0x" + contract_abi("SwarmRun").call_data("snapshot").hex()
        if method != "eth_call" or parameters[0]["data"] != selector:
            return answer
        types = [_type(output) for output in self._outputs]
        state, current = decode(types, octets(answer))
        names = [part["name"] for part in self._outputs[1]["components"]]
        fields = dict(zip(names, current, strict=True)) | self._changed
        if "commitBits" in self._changed:
            fields |= {"commitments": [bytes(32)], "weights": [1]}
        return "0x" + encode(types, [state, tuple(fields.values())]).hex()


@pytest.mark.parametrize(
    ("changed", "complaint"),
    [
        ({"roster": 1 << 2}, "who did not commit"),
        ({"commitBits": 1 << 63}, "registry of 3 lacks"),
        ({"commitBits": 1 << 200}, "who did not commit"),
    ],
)
def test_a_round_of_members_that_there_are_not__is_not_believed(
    make_site: SiteMaker, changed: dict[str, int], complaint: str
) -> None:
    site = make_site(3)
    with RpcClient(site.url) as rpc:
        reader = RunReader(Editing(rpc, **changed), site.run)
        with pytest.raises(LedgerUnavailableError, match=complaint):
            reader.chain_view(reader.block(reader.head()))


def test_a_block_number_beyond_64_bits__is_not_believed() -> None:
    with pytest.raises(LedgerUnavailableError, match="no u64"):
        read_block(Endpoint(1, 1), 1 << 64)  # type: ignore[arg-type] # as above
