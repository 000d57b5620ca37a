"""`swarmp2p keys rotate`: cut off anywhere and given again, it ends with the new key."""

import os
import signal
import stat
import subprocess
import sys

import pytest

from swarmp2p import rotation
from swarmp2p.errors import StateLockedError
from swarmp2p.launch import SystemRng, read_keys
from swarmp2p.ledger import deploy
from swarmp2p.ledger.look import read_view
from swarmp2p.ledger.rpc import RpcClient
from swarmp2p.ledger.transactions import Sender
from swarmp2p.ledger.views import RunReader
from swarmp2p.passphrase import read_passphrase
from swarmp2p.seams import Slot
from swarmp2p.store.state import open_store


class CutOffError(BaseException):
    """The process is gone here."""


@pytest.fixture
def site(world):
    """a, enrolled in a run of its own."""
    world.invite("a")
    world.enrol("a")
    return world


def keys_of(world):
    member = read_view(world.url, world.run).members[0]
    return [(key.peer, key.epoch) for key in member.keys]


def files(world):
    return {path.name for path in (world.folder / "a/keys").iterdir()}


def rotated(world, answered, times=1):
    """The chain has the new key, the file is that key, each old one stands under its name."""
    had = keys_of(world)
    now = read_keys(world.settings("a")).identity.public
    assert [epoch for _peer, epoch in had] == list(range(times + 1))
    assert now == had[-1][0] == bytes.fromhex(answered["peer"])
    ended = {f"identity.key.epoch-{epoch}-{peer.hex()[:8]}" for peer, epoch in had[:-1]}
    assert files(world) == {"identity.key", *ended, "account.json", "passphrase"}
    for path in (world.folder / "a/keys").iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    return world.folder / "a/keys" / f"identity.key.epoch-{times - 1}-{had[-2][0].hex()[:8]}"


def test_rotate__replaces_the_key_and_keeps_the_state(answer, command, site):
    with open_store(site.settings("a").state, b"d" * 32) as store:
        store.reserve(Slot("commit", 3, 0), b"signed")
    values = answer("keys", "rotate", "--config", site.config("a"))
    rotated(site, values)
    with open_store(site.settings("a").state, b"d" * 32) as store:
        assert store.reserved(Slot("commit", 3, 0)) == b"signed"
    assert answer("doctor", "--config", site.config("a"))["ok"] is True
    again = answer("keys", "rotate", "--config", site.config("a"))
    assert (again["epoch"], again["old_peer"]) == (2, values["peer"])
    assert [epoch for _peer, epoch in keys_of(site)] == [0, 1, 2]
    status, out, _err = command("ledger", "status", "--config", site.config("a"))
    assert (status, "epoch 2" in out) == (0, True)


CHANGES = 7  # open and replace for each of three files, one unlink


def cut_after(patch, place):
    """Raise CutOffError after the change number `place` of a key file; the list of changes made."""
    done = []

    def cutting(real, counts):
        def call(*arguments, **more):
            result = real(*arguments, **more)
            if counts(*arguments):
                done.append(arguments[0])
                if len(done) == place:
                    if isinstance(result, int):
                        os.close(result)  # an empty file is left
                    raise CutOffError
            return result

        return call

    def ours(path, *_more):
        return "identity.key" in str(path)

    def written(path, flags=0, *_more):
        return ours(path) and bool(flags & os.O_CREAT)

    patch.setattr(os, "replace", cutting(os.replace, ours))
    patch.setattr(os, "unlink", cutting(os.unlink, ours))
    patch.setattr(os, "open", cutting(os.open, written))
    return done


def test_rotate__cut_off_after_each_change_of_a_file_is_given_again(answer, site, monkeypatch):
    for place in range(1, CHANGES):
        before = (site.folder / "a/keys/identity.key").read_bytes()
        with monkeypatch.context() as patch:
            done = cut_after(patch, place)
            with pytest.raises(CutOffError):
                rotate_or_die(site)
        assert len(done) == place
        values = answer("keys", "rotate", "--config", site.config("a"))
        assert rotated(site, values, place).read_bytes() == before
    with monkeypatch.context() as patch:  # the last change, after which nothing is left to do
        cut_after(patch, CHANGES)
        with pytest.raises(CutOffError):
            rotate_or_die(site)
    rotated(site, {"peer": keys_of(site)[-1][0].hex()}, CHANGES)


def test_rotate__cut_off_before_its_transaction_is_mined_sends_no_second_key(answer, site):
    settings = site.settings("a")
    with RpcClient(site.url) as rpc:
        reader = RunReader(rpc, site.run)
        view = reader.chain_view(reader.block(reader.head()))
        words = read_passphrase(settings.passphrase_file)
        made = rotation.prepare(settings, words, SystemRng(), reader.terms, view)

    def cut(_seconds):
        raise CutOffError

    with pytest.raises(CutOffError):
        rotation.send(site.url, site.keys["a"].account, made, pause=cut)
    site.chain.mine()
    values = answer("keys", "rotate", "--config", site.config("a"))
    assert values["peer"] == made.peer.hex()
    rotated(site, values)


def rotate_or_die(world):
    """As the command does it, but that a cut is seen."""
    from swarmp2p.cli.main import cli  # noqa: PLC0415 - the border that would turn it into a line

    cli.main(["keys", "rotate", "--config", world.config("a")], standalone_mode=False)


def test_rotate__killed_after_it_has_made_the_key_is_given_again(answer, site):
    command = [sys.executable, "-m", "swarmp2p", "keys", "rotate", "--config"]
    prepared = site.folder / "a/keys/identity.key.next"
    with subprocess.Popen([*command, site.config("a")]) as process:
        while not prepared.exists():
            assert process.poll() is None
        process.send_signal(signal.SIGKILL)
    rotated(site, answer("keys", "rotate", "--config", site.config("a")))


def test_prepare__prints_the_transaction_and_the_same_one_again(answer, command, site):
    prepare = ("keys", "rotate", "--config", site.config("a"), "--prepare")
    values = answer(*prepare)
    assert answer(*prepare) == values
    assert keys_of(site) == [(site.keys["a"].identity.public, 0)]
    assert read_keys(site.settings("a")).identity.public == site.keys["a"].identity.public
    sent = values["transaction"]
    assert sent["from"] == site.keys["a"].address.lower()
    with RpcClient(site.url) as rpc:  # the account is elsewhere: its signer sends just that
        sender = Sender(rpc, site.keys["a"].account, sent["chainId"])
        to, data = bytes.fromhex(sent["to"][2:]), bytes.fromhex(sent["data"][2:])
        outgoing = sender.send(to, data, gas=500_000)
        while sender.mined(outgoing) is None:
            site.chain.mine()
    (site.folder / "a/keys/account.json").rename(site.folder / "account.elsewhere")
    done = answer("keys", "rotate", "--config", site.config("a"))
    (site.folder / "account.elsewhere").rename(site.folder / "a/keys/account.json")
    rotated(site, done)


def test_ledger_rotate__sends_what_is_prepared_and_nothing_else(answer, command, site):
    status, _out, err = command("ledger", "rotate", "--config", site.config("a"))
    assert (status, "keys rotate" in err[0]) == (2, True)
    prepared = answer("keys", "rotate", "--config", site.config("a"), "--prepare")
    sent = answer("ledger", "rotate", "--config", site.config("a"))
    assert sent["peer"] == prepared["peer"]
    assert keys_of(site)[-1] == (bytes.fromhex(prepared["peer"]), 1)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda keys: (keys / "passphrase").write_text("other words\n"), ["passphrase is wrong"]),
        (lambda keys: (keys / "identity.key").chmod(0o644), ["identity.key", "chmod 600"]),
        (lambda keys: (keys / "identity.key").write_bytes(b"x"), ["identity.key", "damaged"]),
        (lambda keys: (keys / "identity.key.next").touch(0o600), ["key.next", "damaged"]),
    ],
)
def test_rotate__with_wrong_files_changes_nothing(command, site, spoil, words):
    keys = site.folder / "a/keys"
    spoil(keys)
    before = {path.name: path.read_bytes() for path in keys.iterdir()}
    status, _out, err = command("keys", "rotate", "--config", site.config("a"))
    assert (status, len(err)) == (2, 1), err
    assert all(word in err[0] for word in words), err
    assert {path.name: path.read_bytes() for path in keys.iterdir()} == before
    assert len(keys_of(site)) == 1


def test_rotate__of_a_site_that_never_enrolled_says_so(command, world):
    status, _out, err = command("keys", "rotate", "--config", world.config("d"))
    assert (status, "ledger enrol" in err[0]) == (1, True)
    assert "identity.key.next" not in {p.name for p in (world.folder / "d/keys").iterdir()}


def test_rotate__while_the_node_runs_is_refused(command, site):
    with open_store(site.settings("a").state, b"d" * 32):
        status, _out, err = command("keys", "rotate", "--config", site.config("a"))
    assert (status, str(os.getpid()) in err[0]) == (1, True)
    assert files(site) == {"identity.key", "account.json", "passphrase"}


def test_rotate__with_the_key_before_last_names_the_one_that_counts(command, answer, site):
    old = (site.folder / "a/keys/identity.key").read_bytes()
    new = answer("keys", "rotate", "--config", site.config("a"))["peer"]
    (site.folder / "a/keys/identity.key").write_bytes(old)
    status, _out, err = command("keys", "rotate", "--config", site.config("a"))
    assert (status, new in err[0]) == (1, True)


def test_rotate__of_a_revoked_site_is_refused(command, answer, site):
    answer("ledger", "revoke", "--config", site.config("a"), "--index", "0")
    status, _out, err = command("keys", "rotate", "--config", site.config("a"))
    assert (status, "revoked" in err[0]) == (1, True)


def test_prepare__twice_at_once_tells_of_no_key_that_is_not_on_the_disk(site):
    """The chain is told of what `prepare` returns: a key that was overwritten would be lost."""
    settings = site.settings("a")
    words = read_passphrase(settings.passphrase_file)
    with RpcClient(site.url) as rpc:
        reader = RunReader(rpc, site.run)
        view, terms = reader.chain_view(reader.block(reader.head())), reader.terms

    class Interrupted(SystemRng):
        """The second command runs while the first draws its key."""

        def token(self, size):
            if not refused:
                refused.append(True)
                with pytest.raises(StateLockedError, match="another command"):
                    rotation.prepare(settings, words, SystemRng(), terms, view)
            return super().token(size)

    refused = []
    told = rotation.prepare(settings, words, Interrupted(), terms, view).peer
    again = rotation.prepare(settings, words, SystemRng(), terms, view).peer
    assert (refused, told) == ([True], again)


def test_rotate__to_a_key_that_another_member_entered_first_says_what_to_do(answer, command, site):
    site.invite("b")
    site.enrol("b")
    prepared = answer("keys", "rotate", "--config", site.config("a"), "--prepare")
    deploy.rotate(
        site.url,
        site.keys["b"].account,
        site.registry,
        peer=bytes.fromhex(prepared["peer"]),
        key_epoch=1,
        proof=bytes(64),
    )
    status, _out, err = command("keys", "rotate", "--config", site.config("a"))
    assert (status, len(err)) == (2, 1)
    assert "member 1" in err[0]
    assert "identity.key.next" in err[0]
    (site.folder / "a/keys/identity.key.next").unlink()
    rotated(site, answer("keys", "rotate", "--config", site.config("a")))
