"""Following a run on a real chain: every change once, in order, and whom the run waits for."""

import contextlib
import json
from importlib.resources import files

import pytest
from ledger_site import AUX, GENESIS

from swarmp2p.errors import DeepReorganisationError
from swarmp2p.ledger import deploy, events
from swarmp2p.ledger.abi import contract_abi
from swarmp2p.ledger.changes import waits_for
from swarmp2p.ledger.interface import FaultKind
from swarmp2p.ledger.rpc import RpcClient
from swarmp2p.ledger.views import RunReader
from swarmp2p.ledger.watch import Watcher

ROOT = b"\x33" * 32


@pytest.fixture
def watching():
    with contextlib.ExitStack() as stack:

        def start(site):
            rpc = stack.enter_context(RpcClient(site.url))
            return Watcher(rpc, RunReader(rpc, site.run))

        yield start


def names(found):
    return [(change.event, change.index) for change in found]


async def test_a_round__is_told_change_by_change(make_site, watching):
    site = make_site(members=3)
    watcher = watching(site)
    assert waits_for(watcher.look.view).step == "genesis"
    async with contextlib.AsyncExitStack() as stack:
        a, b, c = await site.open_all(stack)
        await a.genesis(GENESIS)
        assert names(watcher.step()) == [("genesis", None), ("opened", None)]
        await a.commit(1, 0, b"\x01" * 32, 7, GENESIS)
        (committed,) = watcher.step()
        assert (committed.event, committed.index, committed.more) == ("committed", 0, {"weight": 7})
        wait = waits_for(watcher.look.view)
        assert (wait.step, wait.members, wait.needed, wait.until) == ("commit", (1, 2), 1, 0)
        await b.commit(1, 0, b"\x02" * 32, 8, GENESIS)
        watcher.step()
        wait = waits_for(watcher.look.view)
        assert (wait.members, wait.needed) == ((2,), 0)
        assert wait.left == wait.until - watcher.look.view.block.number > 0
        await c.commit(1, 0, b"\x03" * 32, 9, GENESIS)
        found = watcher.step()
        assert names(found) == [("committed", 2), ("closed", None)]
        assert found[1].more == {"roster": [0, 1, 2]}
        await a.have(1, 0, 0b011)
        await b.attest(1, 0, ROOT, AUX)
        assert names(watcher.step()) == [("have", 0), ("attested", 1)]
        wait = waits_for(watcher.look.view)
        assert (wait.step, wait.members, wait.needed) == ("attest", (0, 2), 1)
        await c.attest(1, 0, ROOT, AUX)
        found = watcher.step()
        assert names(found) == [("attested", 2), ("sealed", None), ("opened", None)]
        assert found[1].more["root"] == ROOT.hex()
        assert watcher.step() == []


async def test_a_missed_deadline__is_told_as_an_attempt_and_a_void_round(make_site, watching):
    site = make_site(members=3)
    async with contextlib.AsyncExitStack() as stack:
        a, b, c = await site.open_all(stack)
        await a.genesis(GENESIS)
        for place, ledger in enumerate((a, b, c)):
            await ledger.commit(1, 0, bytes([place + 1]) * 32, 1, GENESIS)
        for ledger in (a, b):
            await ledger.have(1, 0, 0b111)
        watcher = watching(site)
        while watcher.look.view.block.number <= watcher.look.view.round.last_post:
            site.chain.mine()
            watcher.step()
        await a.next_attempt(1, 0)
        (attempt,) = [one for one in watcher.step() if one.event == "attempt"]
        assert attempt.more == {"attempt": 1, "roster": [0, 1]}
        while watcher.look.view.block.number <= watcher.look.view.round.last_post:
            site.chain.mine()
            watcher.step()
        await a.next_attempt(1, 1)
        assert names(watcher.step()) == [("void", None), ("opened", None)]


async def test_several_rounds_between_two_looks__lose_nothing(make_site, watching):
    site = make_site(members=2, last_round=2)
    watcher = watching(site)
    async with contextlib.AsyncExitStack() as stack:
        a, b = await site.open_all(stack)
        await a.genesis(GENESIS)
        base = GENESIS
        for number in (1, 2):
            for ledger in (a, b):
                await ledger.commit(number, 0, bytes([number]) * 32, 1, base)
            for ledger in (a, b):
                await ledger.attest(number, 0, bytes([40 + number]) * 32, AUX)
            base = bytes([40 + number]) * 32
    ((*found,),) = watcher.follow(0.0, pause=site.pause)
    assert [one.event for one in found if one.round == 1 and one.index is None] == [
        *("opened", "closed", "sealed")
    ]
    assert [one.event for one in found if one.round == 2][-2:] == ["sealed", "finished"]
    assert waits_for(watcher.look.view) is None


async def test_members_and_fault_votes__are_told(make_site, watching):
    site = make_site(members=4)
    watcher = watching(site)
    async with contextlib.AsyncExitStack() as stack:
        a, b, c, _d = await site.open_all(stack)
        await a.genesis(GENESIS)
        watcher.step()
        for ledger in (a, b):
            await ledger.vote_fault(3, FaultKind.EQUIVOCATION, 1, b"\x55" * 32)
        found = watcher.step()
        assert [(one.event, one.index, one.more["by"]) for one in found] == [
            ("fault_vote", 3, 0),
            ("fault_vote", 3, 1),
        ]
        (votes,) = watcher.look.faults
        assert (votes.voters, votes.passed, votes.evidence) == ({0, 1}, False, (b"\x55" * 32,))
        await c.vote_fault(3, FaultKind.EQUIVOCATION, 1, b"\x66" * 32)
        assert names(watcher.step()) == [("fault_vote", 3), ("excluded", 3)]
        assert watcher.look.faults[0].passed
        assert len(watcher.look.faults[0].evidence) == 2
        await a.vote_stop()
        await b.vote_stop()
        await a.set_addresses(("/ip4/127.0.0.1/tcp/9",))
        found = [one.event for one in watcher.step()]
        assert found == ["addresses", "stop_vote", "stop_vote", "stopped", "finished"]
    again = watching(site).look
    assert again.faults == watcher.look.faults


def test_a_revocation__is_told_with_its_block(make_site, watching):
    site = make_site(members=2)
    watcher = watching(site)
    deploy.revoke(site.url, site.parties[1].account_key, site.registry, 1, pause=site.pause)
    (revoked,) = watcher.step()
    assert (revoked.event, revoked.index) == ("revoked", 1)
    assert revoked.block == watcher.look.view.members[1].revoked_block


def test_a_chain_that_was_started_anew__halts_the_watch(make_site, watching):
    site, other = make_site(members=2), make_site(members=2, manifest_hash=b"\x77" * 32)
    watcher = watching(site)
    other.chain.mine(10)
    with RpcClient(other.url) as rpc:
        elsewhere = Watcher(rpc, RunReader(rpc, other.run))
        elsewhere.look = watcher.look
        other.chain.mine()
        with pytest.raises(DeepReorganisationError, match="was final and is gone"):
            elsewhere.step()


def test_an_endpoint_that_is_down__is_told_once(make_site, watching):
    site = make_site(members=2)
    watcher = watching(site)
    site.chain.stop()
    pauses = iter(range(3))

    def pause(_seconds):
        if next(pauses, None) is None:
            raise KeyboardInterrupt

    told = []
    with pytest.raises(KeyboardInterrupt):
        told.extend(watcher.follow(0.0, pause=pause))
    assert [[one.event for one in found] for found in told] == [["unreachable"]]


@pytest.mark.parametrize(
    ("contract", "signature"),
    [("SwarmRun", events.FAULT_VOTED), ("SwarmRegistry", events.VOTED)],
)
def test_the_events__are_the_contracts_own(contract, signature):
    name, _, kinds = signature.rstrip(")").partition("(")
    abi = contract_abi(contract)
    assert abi.name == contract

    text = (files("swarmp2p.ledger") / f"artifacts/{contract}.json").read_text()
    (entry,) = [e for e in json.loads(text)["abi"] if e["type"] == "event" and e["name"] == name]
    assert ",".join(part["type"] for part in entry["inputs"]) == kinds
    assert [part["indexed"] for part in entry["inputs"]][:2] == [True, True]
