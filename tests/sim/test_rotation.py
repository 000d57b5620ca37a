"""Sites that rotate their keys in the middle of a run, and sites that sign twice."""

from dataclasses import replace

import pytest
import trio
import trio.testing
from test_lifecycle import ready_world, spoil
from test_runs import assert_same_end, finish, manifest, shared, train

from swarmp2p.crypto.identity import sign_envelope
from swarmp2p.errors import KeyMisusedError, NotEnrolledError
from swarmp2p.ledger.interface import Phase
from swarmp2p.protocol.repeats import decode_equivocation, verify_equivocation
from swarmp2p.protocol.verdicts import Equivocation
from swarmp2p.seams import Outcome, Slot
from swarmp2p.sim.nodes import open_world
from swarmp2p.wire.envelope import Header, decode_envelope
from swarmp2p.wire.messages import encode_update_manifest
from swarmp2p.wire.registry import KIND_UPDATE_MANIFEST, WIRE_VERSION


def contributors(receipt):
    return set(receipt.shared["contributors"])


async def until(met, virtual_seconds=500):
    with trio.fail_after(virtual_seconds):
        while not met():
            await trio.sleep(0.05)


async def begin_again(world, number):
    peer = world.peers[number]
    peer.node = None
    world.start(number)
    await until(lambda: peer.node is not None and peer.node.ready.is_set())


async def test_a_site_that_rotates_between_rounds__goes_on_under_the_new_key(autojump_clock):
    async with ready_world(manifest(rounds=4), 4) as world:
        contract, site = world.chain.contract, world.peers[3]
        old, disk = site.key.public, site.disk
        await until(lambda: all(old in peer.node.announcer._accepted for peer in world.peers[:3]))
        assert contract.now.number == 1
        world.kill(3)
        world.rotate(3, epoch=1)
        await until(lambda: contract.last_sealed_round == 1)
        world.start(3)
        await finish(world, range(4))
        assert_same_end(world.peers)
        assert site.disk is disk
        new = site.key.public.hex()
        first, *rest = world.peers[0].receipts
        assert old.hex() in contributors(first)
        assert all(receipt.complete and new in contributors(receipt) for receipt in rest)
        assert "site-3" in rest[-1].contributors  # its label stays with it
        # ID-022: nobody lets the ended key in any more
        for peer in world.peers[:3]:
            admitted = peer.node._c.transport.admitted
            assert site.key.public in admitted
            assert old not in admitted


async def test_a_site_that_rotates_after_its_commit__is_relayed_and_attests(autojump_clock):
    async with ready_world(manifest(rounds=3), 4) as world:
        contract, site = world.chain.contract, world.peers[3]
        old = site.key.public
        spoil(world)  # nobody gets an update of another for now
        await until(lambda: all(old in peer.node.announcer._accepted for peer in world.peers[:3]))
        assert contract.now.phase is Phase.ATTEMPT
        world.kill(3)
        world.rotate(3, epoch=8)
        await until(lambda: world.chain.final_view().members[3].key_epoch == 8)
        signed = []
        await begin_again(world, 3)
        publish = site.node._c.transport.publish

        async def watched(topic, data):
            signed.append(decode_envelope(data).header)
            await publish(topic, data)

        site.node._c.transport.publish = watched
        connected = world.peers[0].node._c.transport.peers
        await until(lambda: site.key.public in connected())
        assert min(connected()) != site.key.public
        assert world.peers[0].node.steps._providers(old)[0] == site.key.public  # the owner first
        world.network.tamper = None
        await finish(world, range(4))
        assert_same_end(world.peers)
        first = world.peers[0].receipts[0]
        assert (first.complete, first.attempt, first.round) == (True, 0, 1)
        assert old.hex() in contributors(first)
        assert site.key.public.hex() in contributors(world.peers[0].receipts[1])
        assert {shared(peer)[0] for peer in world.peers[:3]} == {shared(site)[0]}
        own = {header.key_epoch for header in signed if header.sender == site.key.public}
        assert own == {8}
        assert {header.round for header in signed if header.sender == old} <= {1}


async def test_a_site_that_rotates_before_its_commit__sits_the_round_out_and_says_so(
    autojump_clock,
):
    async with open_world(manifest(rounds=3), 4, seed=1, train=train) as world:
        contract, site = world.chain.contract, world.peers[3]
        for number in range(4):
            world.start(number, trains=number != 3)
        await until(lambda: len(contract.now.commits) == 3)
        world.kill(3)
        world.rotate(3, epoch=1)
        await until(lambda: world.chain.final_view().members[3].key_epoch == 1)
        assert (contract.now.number, contract.now.phase) == (1, Phase.COMMIT)
        await begin_again(world, 3)
        assert "sits this round out" in site.node.status()["key"]
        await finish(world, range(4))
        assert_same_end(world.peers)
        assert [3 in contract.rounds[number].commits for number in (1, 2, 3)] == [False, True, True]
        first = world.peers[0].receipts[0]
        assert first.sealed
        frozen = contract.rounds[1].frozen_block
        assert world.chain.members[3].key_at(frozen).peer.hex() in first.shared["missing"]
        rounds = {slot.round for _, slot in site.disk.guard}
        assert rounds == {2, 3}
        assert [event for event, _ in site.log].count("key") == 1
        assert site.node.status()["key"] == "ok"


async def test_a_site_that_rotates_while_no_deadline_runs__commits_under_the_new_key(
    autojump_clock,
):
    """Both of two sites are needed for min_peers: one that sat the round out would end the run."""
    async with open_world(manifest(rounds=2), 2, seed=2, train=train) as world:
        contract, site = world.chain.contract, world.peers[1]
        for number in range(2):
            world.start(number, trains=number != 1)
        await until(lambda: len(contract.now.commits) == 1)
        assert contract.now.frozen_block == 0
        world.kill(1)
        world.rotate(1, epoch=1)
        await until(lambda: world.chain.final_view().members[1].key_epoch == 1)
        await begin_again(world, 1)
        assert site.node.status()["key"] == "ok"
        await finish(world, range(2))
        assert_same_end(world.peers)
        new = site.key.public.hex()
        assert all(new in contributors(receipt) for receipt in world.peers[0].receipts)


async def test_a_site_that_commits_and_rotates_before_the_deadline_runs__costs_that_round_alone(
    autojump_clock,
):
    async with open_world(manifest(rounds=2), 2, seed=3, train=train) as world:
        contract = world.chain.contract
        world.start(0, trains=False)
        world.start(1)
        await until(lambda: 1 in contract.now.commits)
        assert contract.now.frozen_block == 0
        world.kill(1)
        world.rotate(1, epoch=1)
        await until(lambda: world.chain.final_view().members[1].key_epoch == 1)
        await begin_again(world, 1)
        world.kill(0)
        await begin_again(world, 0)
        await finish(world, range(2))
        assert_same_end(world.peers)
        assert not world.peers[0].receipts[0].sealed
        assert "not-revealed" in {event for event, _ in world.peers[1].log}
        assert not [event for event, _ in world.peers[0].log if event.startswith("gossip-re")]
        assert world.peers[0].receipts[-1].complete


async def test_a_node_whose_key_was_rotated_away__signs_no_more_and_is_let_in_nowhere(
    autojump_clock,
):
    async with ready_world(manifest(rounds=2), 4, trains=False) as world:
        left = world.peers[3]
        old = left.key.public
        params = await left.node.start(world.zeros())
        world.rotate(3, epoch=1)
        world.chain.mine()
        await until(lambda: left.node.status()["key"] != "ok")
        with pytest.raises(NotEnrolledError, match="rotated in block"):
            await left.node.sync(params)
        assert not left.disk.guard
        assert world.network.hosts[old].peers() == frozenset()


async def test_a_commit_of_a_key_that_ended_since__is_never_revealed(autojump_clock):
    async with open_world(manifest(rounds=2), 5, seed=1, train=train) as world:
        contract, left = world.chain.contract, world.peers[3]
        for number in range(4):
            world.start(number)
        await until(lambda: set(contract.now.commits) == {0, 1, 2, 3})
        world.rotate(3, epoch=1)
        await until(lambda: left.node.status()["key"] != "ok")
        world.start(4)
        await until(lambda: contract.last_sealed_round == 1)
        assert Slot(KIND_UPDATE_MANIFEST, 1, 0) not in {slot for _, slot in left.disk.guard}
        assert contract.rounds[1].attempt == 1
        assert contract.rounds[1].roster == {0, 1, 2, 4}
        assert 3 in contract.rounds[1].commits
        await until(lambda: any(event == "program-ends" for event, _ in left.log))
        assert left.receipts == []


def second_body(world, liar):
    """The liar's manifest of the open round again: it opens the commitment as the first does."""
    first = liar.node.updates.manifest(liar.node.steps.update)
    changed = replace(first, metrics=(("forged", 1 << 63),))
    number = world.chain.contract.now.number
    header = Header(KIND_UPDATE_MANIFEST, WIRE_VERSION, 0, number, 0, 0, liar.key.public)
    return sign_envelope(liar.key, header, world.domain, encode_update_manifest(changed))


async def test_an_equivocator__is_excluded_by_votes_and_the_run_goes_on(autojump_clock):
    async with ready_world(manifest(rounds=4), 4) as world:
        contract, liar = world.chain.contract, world.peers[3]
        votes = []
        take = contract.vote_fault

        def counted(who, *charge):
            votes.append((who, charge))
            take(who, *charge)

        contract.vote_fault = counted
        key = liar.key.public
        await until(lambda: all(key in peer.node.announcer._accepted for peer in world.peers[:3]))
        await liar.node._c.transport.publish(liar.node.announcer.topic, second_body(world, liar))
        await until(lambda: contract.excluded == {3})
        assert contract.registered == {0, 1, 2, 3}
        world.kill(3)
        await finish(world, range(3))
        assert_same_end(world.peers[:3])
        assert sorted(who for who, _ in votes) == [0, 1, 2]  # once each, q(4) = 3
        assert {charge[:3] for _, charge in votes} == {(3, 1, 1)}
        last = world.peers[0].receipts[-1]
        assert last.sealed
        assert last.shared["missing"] == [key.hex()]  # until the registry revokes it
        for peer in world.peers[:3]:
            assert key not in peer.node._c.transport.admitted
            kept = peer.disk.kept[world.domain, f"equivocation/{key.hex()}"]
            header = verify_equivocation(decode_equivocation(kept), world.domain)
            assert (header.sender, header.round) == (key, 1)


async def test_a_fault_vote__is_posted_after_a_restart_and_then_not_again(autojump_clock):
    async with ready_world(manifest(rounds=3), 4) as world:
        contract, liar, witness = world.chain.contract, world.peers[3], world.peers[0]
        key = liar.key.public
        await until(lambda: key in witness.node.announcer._accepted)
        proof_key, vote_key = f"equivocation/{key.hex()}", f"fault-vote/{key.hex()}"
        outcome = witness.node.announcer._received(key, second_body(world, liar))
        assert outcome.value == "reject"
        world.kill(0)  # before the vote is mined
        assert (world.domain, proof_key) in witness.disk.kept
        assert (world.domain, vote_key) not in witness.disk.kept
        await trio.testing.wait_all_tasks_blocked()
        world.chain._pool.clear()
        votes = []
        contract.vote_fault = lambda *call: votes.append(call)
        world.start(0)
        await until(lambda: (world.domain, vote_key) in witness.disk.kept)
        world.kill(0)
        world.start(0)
        await finish(world, range(4))
        ((who, accused, kind, number, evidence),) = votes
        assert (who, accused, kind, number) == (0, 3, 1, 1)
        assert evidence == witness.disk.kept[world.domain, vote_key]


@pytest.mark.parametrize("late", ["an old round", "an ended key"])
async def test_a_stale_proof__is_kept_and_not_voted_on(autojump_clock, late):
    async with ready_world(manifest(rounds=5), 4) as world:
        contract, liar, witness = world.chain.contract, world.peers[3], world.peers[0]
        key = liar.key.public
        await until(lambda: key in witness.node.announcer._accepted)
        first, second = witness.node.announcer._raw[key], second_body(world, liar)
        if late == "an old round":
            await until(lambda: contract.now.number >= 3)
        else:
            world.kill(3)
            world.rotate(3, epoch=1)
            await until(lambda: contract.now.number >= 2)
            world.start(3)
            await until(lambda: witness.node.view.round.round >= 2)
        witness.node._accuse(Equivocation(first, second))
        await finish(world, range(4))
        assert (world.domain, f"equivocation/{key.hex()}") in witness.disk.kept
        assert not contract.faults.votes


async def test_a_node_that_sees_its_own_key_sign_twice__halts_and_starts_no_more(autojump_clock):
    with pytest.raises(ExceptionGroup) as caught:  # noqa: PT012 - the world is what fails
        async with ready_world(manifest(rounds=2), 4) as world:
            robbed = world.peers[3]
            await until(lambda: robbed.node.announcer._own is not None)
            stolen = second_body(world, robbed)
            disk = robbed.disk
            other = world.peers[1].key.public
            assert robbed.node.announcer._received(other, stolen) is Outcome.REJECT
            await trio.sleep(100)
    assert caught.group_contains(KeyMisusedError, match="nothing more is signed")
    kept = disk.kept[world.domain, f"equivocation/{robbed.key.public.hex()}"]
    proof = decode_equivocation(kept)
    assert stolen in {proof.first, proof.second}
    assert robbed.node.announcer._own is None
    with pytest.raises(KeyMisusedError):
        robbed.node.faults.recall(robbed.node.view)


async def test_who_signed_twice_before_one_witness__is_charged_again_in_a_later_round(
    autojump_clock,
):
    """Votes count by round: a first offence before too few must not be a licence for the next."""
    async with ready_world(manifest(rounds=6), 4) as world:
        contract, liar = world.chain.contract, world.peers[3]
        key, honest = liar.key.public, world.peers[:3]

        async def accepted_by_all(number):
            await until(
                lambda: (
                    contract.now.number == number
                    and all(key in peer.node.announcer._accepted for peer in honest)
                )
            )

        await accepted_by_all(1)
        honest[0].node.announcer._received(key, second_body(world, liar))
        vote_key = world.domain, f"fault-vote/{key.hex()}"
        await until(lambda: vote_key in honest[0].disk.kept)
        await until(lambda: contract.now.number == 2)
        assert not contract.excluded
        await accepted_by_all(2)
        again = second_body(world, liar)
        for peer in honest:
            peer.node.announcer._received(key, again)
        await until(lambda: contract.excluded == {3})
        world.kill(3)
        await finish(world, range(3))
        assert_same_end(world.peers[:3])


async def test_a_thief_of_the_key_that_was_rotated_away__neither_halts_nor_excludes_the_site(
    autojump_clock,
):
    """In the round that froze before the rotation the old key still is the key of the round."""
    async with ready_world(manifest(rounds=3), 4) as world:
        contract, site = world.chain.contract, world.peers[3]
        old = site.key.public
        spoil(world)  # the round stays open
        await until(lambda: all(old in peer.node.announcer._accepted for peer in world.peers[:3]))
        forged = second_body(world, site)
        world.kill(3)
        world.rotate(3, epoch=1)
        await until(lambda: world.chain.final_view().members[3].key_epoch == 1)
        await begin_again(world, 3)
        await until(lambda: old in site.node.announcer._accepted)
        await until(lambda: world.peers[0].node.view.members[3].key_epoch == 1)
        assert contract.now.number == 1
        for peer in world.peers:
            assert peer.node.announcer._received(old, forged) is Outcome.REJECT
            assert (world.domain, f"equivocation/{old.hex()}") in peer.disk.kept
        await trio.sleep(5)
        world.kill(3)
        await begin_again(world, 3)  # what the disk proves of its old key keeps it from nothing
        world.network.tamper = None
        await finish(world, range(4))
        assert_same_end(world.peers)
        assert not contract.excluded
        assert not contract.faults.votes
