"""`swarmp2p ledger` on a real chain: what each command does, and how it fails in one clear line."""

import json
import socket
import time

import pytest
from cli_world import OWNER

from swarmp2p.ledger import governance
from swarmp2p.ledger.accounts import save_account, write_key_file
from swarmp2p.manifest import example_manifest

TERMS = {"rounds", "min_peers", "rule", "depth", "lo", "hi", "sync_every", "schema", "tensors"}
TERMS |= {"integers", "optimiser", "optimiser_params", "encoding"}


def refused(result, *parts, status=1):
    """One line on stderr that has every part."""
    found, out, err = result
    assert (found, out, len(err)) == (status, "", 1), (out, err)
    for part in parts:
        assert part in err[0], err[0]


@pytest.fixture
def nowhere():
    """A URL at which nothing answers."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    return f"http://127.0.0.1:{port}"


def terms_file(world, old="", new=""):
    """run.toml of site a, with one thing changed."""
    file = world.folder / "a" / "run.toml"
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new) if old else text)
    return file


# -- deploy


def test_deploy__prints_the_run_id_and_every_term(answer, command, enrolled):
    deploy = ("ledger", "deploy", "--manifest", enrolled.folder / "a/run.toml", *enrolled.owner)
    values = answer(*deploy, "--url", enrolled.url)
    assert values["run_id"] == example_manifest().run_id.hex()
    assert set(values["terms"]) >= TERMS
    assert values["terms"]["rounds"] == 5
    status, out, _ = command(*deploy, "--url", enrolled.url, "--registry", values["registry"])
    assert status == 0
    shown = [line.split()[0] for line in out.splitlines()]
    assert set(shown) >= TERMS | {"run", "registry", "run_id"}
    assert values["registry"] in out


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('rule = "mean"', 'rule = "krum"', ["krum", "at least 3", "min_peers"]),
        ("depth = 0", "depth = 1200", ["depth", "hi", "1200"]),
        ("exchange_blocks = 20", "exchange_blocks = 1201", ["exchange_blocks", "1201"]),
        ("lo = 4", "lo = 1300", ["lo", "1300", "at most hi"]),
        ("rounds = 5", "rounds = 0", ["rounds"]),
    ],
)
def test_deploy__refuses_terms_that_do_not_fit(command, world, old, new, words):
    file = terms_file(world, old, new)
    deploy = ("ledger", "deploy", "--manifest", file, *world.owner, "--url", world.url)
    refused(command(*deploy), *words, status=2)


def test_deploy__by_an_account_without_ether_says_whom_to_pay(command, enrolled, tmp_path):
    write_key_file(tmp_path / "poor.key", b"\x05" * 32)
    terms = ("--manifest", enrolled.folder / "a/run.toml", "--url", enrolled.url)
    result = command("ledger", "deploy", *terms, "--owner-key", tmp_path / "poor.key")
    refused(result, "cannot pay", "0x")


def test_deploy__onto_what_is_no_registry_is_refused(command, enrolled):
    terms = ("--manifest", enrolled.folder / "a/run.toml", "--url", enrolled.url)
    result = command("ledger", "deploy", *terms, *enrolled.owner, "--registry", enrolled.address)
    refused(result, "SwarmRegistry")


def test_deploy__as_someone_else_than_the_owner_names_the_owner(command, enrolled, tmp_path):
    write_key_file(tmp_path / "other.key", enrolled.keys["a"].account)
    terms = ("--manifest", enrolled.folder / "a/run.toml", "--url", enrolled.url)
    registry = ("--registry", "0x" + enrolled.registry.hex())
    result = command("ledger", "deploy", *terms, "--owner-key", tmp_path / "other.key", *registry)
    refused(result, "OwnableUnauthorizedAccount", "owner's key")


def test_deploy__writes_only_into_a_node_toml_that_names_no_run(
    command, world, made_sites, tmp_path
):
    fresh = tmp_path / "node.toml"
    fresh.write_bytes((made_sites[0] / "a/node.toml").read_bytes())
    deploy = ("ledger", "deploy", "--manifest", world.folder / "a/run.toml", *world.owner)
    deploy = (*deploy, "--url", world.url, "--write", fresh)
    refused(command(*deploy, "--write", world.config("a")), "names a run already", status=2)
    assert "0x" + "00" * 20 in fresh.read_text()
    status, out, _err = command(*deploy, "--json")
    assert (status, json.loads(out)["run"] in fresh.read_text()) == (0, True)


# -- what every command refuses in the same way

COMMANDS = {
    "status": (),
    "verify": ("--manifest", "a/run.toml"),
    "watch": ("--once",),
    "invite": ("--account", "0x" + "11" * 20, "--peer", "22" * 32, "--owner-key", "owner.key"),
    "revoke": ("--index", "0", "--owner-key", "owner.key"),
    "attach": ("--owner-key", "owner.key"),
    "hand-over": ("--yes", "--owner-key", "owner.key"),
    "retract": ("--vote", "0x" + "11" * 32, "--owner-key", "owner.key"),
}


@pytest.mark.parametrize("name", COMMANDS)
def test_a_chain_that_is_down__is_named(command, enrolled, nowhere, name, monkeypatch):
    monkeypatch.chdir(enrolled.folder)
    result = command("ledger", name, *COMMANDS[name], "--run", enrolled.address, "--url", nowhere)
    refused(result, nowhere, "connection refused")


@pytest.mark.parametrize("name", [name for name in COMMANDS if name != "verify"])
def test_an_address_without_a_contract__is_named(command, enrolled, name, monkeypatch):
    monkeypatch.chdir(enrolled.folder)
    away = "0x" + "12" * 20
    result = command("ledger", name, *COMMANDS[name], "--run", away, "--url", enrolled.url)
    refused(result, "no contract", away)


@pytest.mark.parametrize("name", COMMANDS)
def test_a_run_that_nothing_names__is_wrong_usage(command, enrolled, name, monkeypatch):
    monkeypatch.chdir(enrolled.folder)
    status, _out, err = command("ledger", name, *COMMANDS[name])
    assert status == 2
    assert "--run" in "\n".join(err)


@pytest.mark.parametrize("name", ["enrol", "rotate"])
def test_a_site_whose_chain_is_down__says_so(command, world, nowhere, name):
    config = world.folder / "a" / "node.toml"
    config.write_text(config.read_text().replace(world.url, nowhere))
    (world.folder / "a/keys/identity.key.next").touch()
    refused(command("ledger", name, "--config", config), nowhere)


# -- members


def test_invite_and_enrol__make_a_member(answer, world):
    site = world.names("a")
    values = answer("ledger", "invite", *world.where, *world.owner, *site, "--fund")
    assert values["passed"] is True
    assert answer("ledger", "enrol", "--config", world.config("a"))["index"] == 0
    status = answer("ledger", "status", *world.where)
    assert [member["live"] for member in status["members"]] == [True]
    assert status["members"][0]["account"] == world.keys["a"].address.lower()


def test_enrol__without_an_invitation_says_how_to_get_one(command, enrolled):
    result = command("ledger", "enrol", "--config", enrolled.config("d"))
    refused(result, "NotInvited", "ledger invite")


def test_enrol__twice_says_that_it_is_done(command, enrolled):
    refused(command("ledger", "enrol", "--config", enrolled.config("a")), "AlreadyEnrolled")


def test_enrol__with_a_wrong_passphrase_names_the_file(command, world):
    passphrase = world.folder / "a/keys/passphrase"
    passphrase.write_text("not this one\n")
    result = command("ledger", "enrol", "--config", world.config("a"))
    refused(result, "identity.key", "passphrase is wrong", status=2)


def test_enrol__of_an_account_that_cannot_pay_says_so(command, world, made_sites):
    world.invite("a")
    deploy_to_nobody = ("ledger", "invite", *world.where, *world.owner)
    # an invited account of another key than any funded one
    from swarmp2p.keyring import KeyFiles  # noqa: PLC0415 - only here
    from swarmp2p.launch import SystemRng  # noqa: PLC0415 - only here
    from swarmp2p.passphrase import read_passphrase  # noqa: PLC0415 - only here
    from swarmp2p.site import new_keys  # noqa: PLC0415 - only here

    site, folder = new_keys(SystemRng()), world.folder / "d/keys"
    words = read_passphrase(folder / "passphrase")
    for name in ("identity.key", "account.json"):
        (folder / name).unlink()
    KeyFiles(folder).write(site, words, SystemRng(), iterations=2)
    names = ("--account", site.address, "--peer", site.identity.public.hex())
    assert command(*deploy_to_nobody, *names)[0] == 0
    result = command("ledger", "enrol", "--config", world.config("d"))
    refused(result, "cannot pay", site.address)


def test_invite__checks_the_account_and_the_key(command, enrolled):
    account, peer = enrolled.keys["d"].address, "22" * 32
    swapped = account[:-1] + account[-1].swapcase()
    if swapped == account:
        swapped = "0x" + account[2:].swapcase()
    by = ("ledger", "invite", *enrolled.where, *enrolled.owner)
    refused(command(*by, "--account", swapped, "--peer", peer), "EIP-55", status=2)
    refused(command(*by, "--account", "0x12", "--peer", peer), "40 hex", status=2)
    refused(command(*by, "--account", account, "--peer", "22"), "64 hex digits", status=2)


def test_invite__reads_what_a_site_sent_and_nothing_else(answer, command, world, tmp_path):
    by = ("ledger", "invite", *world.where, *world.owner)
    file = tmp_path / "site.json"
    file.write_text(json.dumps(answer("keys", "show", "--config", world.config("a"))))
    assert answer(*by, "--site", file)["account"] == world.keys["a"].address
    for text in ("", "[]", "[" * 4000, '{"account": 5, "peer": "x"}'):
        file.write_text(text)
        refused(command(*by, "--site", file), "site.json", "keys show", status=2)
    status, _out, err = command(*by)
    assert (status, "--site" in err[-1]) == (2, True)


def test_invite__by_someone_else_than_the_owner_costs_nothing(command, enrolled):
    site = enrolled.names("d")
    result = command("ledger", "invite", "--config", enrolled.config("a"), *site)
    refused(result, "OwnableUnauthorizedAccount", "owner's key")


def test_invite__of_a_member_says_that_it_enrolled(command, enrolled):
    result = command("ledger", "invite", *enrolled.where, *enrolled.owner, *enrolled.names("b"))
    refused(result, "AlreadyEnrolled", "ledger status")


def test_the_owner_key__may_be_a_keystore(command, answer, world, tmp_path):
    save_account(tmp_path / "owner.json", OWNER, "correct words", iterations=2)
    for name, words in (("good", "correct words"), ("bad", "other words")):
        (tmp_path / name).write_text(words + "\n")
        (tmp_path / name).chmod(0o600)
    by = ("--owner-key", tmp_path / "owner.json", "--passphrase-file")
    site = world.names("a")
    wrong = command("ledger", "invite", *world.where, *by, tmp_path / "bad", *site)
    refused(wrong, "wrong passphrase", "owner.json", status=2)
    assert answer("ledger", "invite", *world.where, *by, tmp_path / "good", *site)["passed"]
    open_to_all = tmp_path / "owner.json"
    open_to_all.chmod(0o644)
    refused(
        command("ledger", "invite", *world.where, *by, tmp_path / "good", *site),
        "chmod 600",
        status=2,
    )


def test_revoke__by_the_owner_and_by_the_member_itself(command, answer, world):
    world.invite("a", "b")
    world.enrol("a", "b")
    other = command("ledger", "revoke", "--config", world.config("a"), "--index", "1")
    refused(other, "NotAllowed", "owner")
    assert answer("ledger", "revoke", "--config", world.config("a"), "--index", "0")["passed"]
    by = ("ledger", "revoke", *world.where, *world.owner)
    assert answer(*by, "--index", "1")["revoked"] == 1
    refused(command(*by, "--index", "1"), "AlreadyRevoked")
    refused(command(*by, "--index", "7"), "UnknownIndex")
    refused(command(*by, "--index", "64"), "0 to 63", status=2)
    assert [m["live"] for m in answer("ledger", "status", *world.where)["members"]] == [False] * 2


# -- members govern


@pytest.fixture
def handed_over(world, answer):
    """a, b and c are members and govern: two of three for each decision."""
    world.invite("a", "b", "c")
    world.enrol("a", "b", "c")
    values = answer("ledger", "hand-over", *world.where, *world.owner, "--yes")
    assert values == {"handed_over": True, "members": [0, 1, 2], "needed": 2}
    return world


def test_hand_over__wants_a_yes_and_two_members(command, world):
    world.invite("a")
    world.enrol("a")
    by = ("ledger", "hand-over", *world.where, *world.owner)
    refused(command(*by, "--yes"), "TooFewMembers", "at least two")
    refused(command(*by), "--yes", status=2)  # nobody is there to say yes
    refused(command(*by[:2], "--config", world.config("a"), "--yes"), "owner's key")


def test_an_invitation_by_votes__says_how_many_stand_and_passes_with_the_quorum(
    answer, command, handed_over
):
    world, site = handed_over, handed_over.names("d")
    owner = command("ledger", "invite", *world.where, *world.owner, *site)
    refused(owner, "NotEnrolled", "no member")
    first = answer("ledger", "invite", "--config", world.config("a"), *site)
    assert (first["passed"], first["voters"], first["needed"]) == (False, [0], 2)
    _status, out, _err = command("ledger", "invite", "--config", world.config("a"), *site)
    assert "1 of 2 needed" in out
    status = answer("ledger", "status", *world.where)
    (vote,) = status["open_votes"]
    assert (status["owner"], status["votes_needed"]) == (None, 2)
    assert (vote["vote"], vote["voters"]) == (first["vote"], [0])
    assert vote["call"].startswith(f"invite({world.keys['d'].address.lower()}, 0x")
    _code, text, _err = command("ledger", "status", *world.where)
    assert vote["call"] in text
    assert answer("ledger", "invite", "--config", world.config("b"), *site)["passed"] is True
    assert answer("ledger", "status", *world.where)["open_votes"] == []
    world.fund("d")
    world.enrol("d")
    assert len(answer("ledger", "status", *world.where)["members"]) == 4


def test_a_vote__can_be_taken_back(answer, command, handed_over):
    config = handed_over.config("a")
    vote = answer("ledger", "revoke", "--config", config, "--index", "2")["vote"]
    assert answer("ledger", "retract", "--config", config, "--vote", vote)["retracted"] == vote
    refused(command("ledger", "retract", "--config", config, "--vote", vote), "NoVote")
    refused(command("ledger", "retract", "--config", config, "--vote", "0x11"), "64", status=2)


def test_leaving__needs_no_vote_even_where_others_have_voted_for_it(answer, handed_over):
    config = handed_over.config
    assert not answer("ledger", "revoke", "--config", config("a"), "--index", "2")["passed"]
    left = answer("ledger", "revoke", "--config", config("c"), "--index", "2")
    assert (left["passed"], left["revoked"]) == (True, 2)


def test_attach__by_votes_moves_a_run(answer, command, handed_over):
    config = handed_over.config
    refused(command("ledger", "attach", "--config", config("a")), "AlreadyAttached")
    assert not answer("ledger", "attach", "--config", config("a"), "--detach")["passed"]
    assert answer("ledger", "attach", "--config", config("b"), "--detach")["passed"]
    verify = command("ledger", "verify", "--config", config("a"), "--json")
    assert verify[0] == 1
    assert [one["name"] for one in json.loads(verify[1])["compared"] if not one["ok"]] == [
        "attached"
    ]


# -- looks


def test_status__shows_windows_votes_and_epochs(answer, enrolled):
    status = answer("ledger", "status", "--config", enrolled.config("a"))
    wanted = {"windows", "fault_votes", "excluded", "barred", "stop_votes", "mesh_until", "owner"}
    assert wanted <= set(status)
    assert status["windows"]["hi"] == example_manifest().hi
    assert [key["epoch"] for key in status["members"][1]["keys"]] == [0]
    assert status["waits_for"]["step"] == "genesis"


def test_verify__says_what_is_the_same(answer, command, enrolled):
    values = answer("ledger", "verify", "--config", enrolled.config("a"))
    names = {one["name"] for one in values["compared"]}
    assert names >= {"code of SwarmRun", "code of SwarmRegistry", "run id", "hi", "topology"}
    assert (values["ok"], values["run"]) == (True, enrolled.address)
    status, out, _ = command("ledger", "verify", "--config", enrolled.config("a"))
    assert (status, "DIFFERS" in out) == (0, False)


def test_verify__names_what_differs_from_run_toml(command, world):
    file = terms_file(world, "hi = 1200", "hi = 1100")
    status, out, _ = command("ledger", "verify", *world.where, "--manifest", file, "--json")
    differ = {one["name"] for one in json.loads(out)["compared"] if not one["ok"]}
    assert (status, differ) == (1, {"run id", "hi"})
    status, out, _ = command("ledger", "verify", *world.where, "--manifest", file)
    assert "DIFFERS  hi: deployed 1200, run.toml says 1100" in out


def test_verify__of_another_contract_stops_at_its_code(command, enrolled):
    terms = ("--manifest", enrolled.folder / "a/run.toml", "--url", enrolled.url, "--json")
    for address in ("0x" + enrolled.registry.hex(), "0x" + "12" * 20):
        status, out, _ = command("ledger", "verify", *terms, "--run", address)
        compared = json.loads(out)["compared"]
        assert (status, [one["ok"] for one in compared]) == (1, [False])


def test_a_member_that_votes_twice__counts_once(handed_over):
    world, key = handed_over, handed_over.keys["a"].account
    for _ in range(2):
        outcome = governance.govern(
            world.url, key, world.registry, "revoke", (2,), pause=time.sleep
        )
        assert outcome.voters == {0}
