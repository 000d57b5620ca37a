"""Writes what a site needs to run a node: two keys, their passphrase, a commented node.toml."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from swarmp2p.crypto import identity
from swarmp2p.crypto.keys import IdentityKey, Secret
from swarmp2p.errors import ConfigError
from swarmp2p.ledger import deploy
from swarmp2p.ledger.accounts import account_address, checksum, new_account, save_account
from swarmp2p.ledger.interface import RunTerms
from swarmp2p.ledger.look import read_terms
from swarmp2p.ledger.signer import Signer
from swarmp2p.manifest import RunManifest, format_value
from swarmp2p.private import write_private
from swarmp2p.seams import Rng

NO_RUN = "0x" + "00" * 20
# scrypt's N for a keystore under 24 random bytes: nobody guesses those, so it need not be slow.
_KEYSTORE_ITERATIONS = 2**12


@dataclass(frozen=True)
class SiteKeys:
    """A site's two keys: Ed25519 for the network, secp256k1 (32 bytes) for the chain."""

    identity: IdentityKey
    account: bytes = field(repr=False)

    @property
    def address(self) -> str:
        """The Ethereum account, 0x and 40 hex digits."""
        return checksum(account_address(self.account))


@dataclass(frozen=True)
class SiteSettings:
    """What node.toml is filled with. Paths are as they shall stand in the file."""

    name: str
    ledger_url: str = field(default="http://127.0.0.1:8545", repr=False)  # may hold a key
    run: str = NO_RUN
    listen: str = "/ip4/127.0.0.1/tcp/0"
    manifest: str = "run.toml"
    receipts: str = "state/receipts"
    program: str = ""
    poll: float = 0.2
    linger: float = 5.0
    options: Mapping[str, Any] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)


def new_keys(rng: Rng) -> SiteKeys:
    """Fresh keys."""
    return SiteKeys(IdentityKey.from_seed(rng.token(32)), new_account(rng.token))


def write_site(folder: Path, keys: SiteKeys, settings: SiteSettings, rng: Rng) -> Path:
    """Fill `folder` with keys/ and node.toml; return node.toml's path.

    Raises ConfigError where a file stands already: nothing is overwritten.
    """
    config = folder / "node.toml"
    private = folder / "keys"
    for path in (config, private):
        if path.exists():
            raise ConfigError(f"{path} exists already; nothing was changed")
    passphrase = Secret(rng.token(24).hex().encode())
    try:
        folder.mkdir(parents=True, exist_ok=True)
        private.mkdir(mode=0o700)
        write_private(private / "passphrase", passphrase.reveal() + b"\n")
        sealed = identity.seal_identity(keys.identity.seed, passphrase, rng)
        write_private(private / "identity.key", sealed)
        save_account(
            private / "account.json",
            keys.account,
            passphrase.reveal().decode(),
            iterations=_KEYSTORE_ITERATIONS,
        )
        config.write_text(format_config(settings), encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"cannot write {error.filename}: {error.strerror}") from None
    return config


def check_no_run(config: Path) -> None:
    """Refuse a node.toml that names a run already. Raises ConfigError."""
    _without_run(config)


def set_run(config: Path, run: bytes) -> None:
    """Put a run's address (20 bytes) into a node.toml that names none yet. Raises ConfigError."""
    text = _without_run(config)
    part = config.with_name(f".{config.name}.part")
    try:
        part.write_text(text.replace(NO_RUN, "0x" + run.hex()), encoding="utf-8")
        part.replace(config)
    except OSError as error:
        raise ConfigError(f"cannot write {config}: {error.strerror}") from None


def _without_run(config: Path) -> str:
    """The text of a node.toml in which the run's address is still zeros, in one place."""
    try:
        text = config.read_text(encoding="utf-8")
    except (OSError, UnicodeError) as error:
        raise ConfigError(f"cannot read {config}: {error}") from None
    if text.count(NO_RUN) != 1:
        raise ConfigError(
            f"{config} names a run already, or none in the way that `init` writes it; put the"
            " address there by hand: [ledger] run"
        )
    return text


def run_settings(manifest: RunManifest, registry: bytes) -> deploy.RunSettings:
    """What the run's contract is built with."""
    return deploy.RunSettings(
        registry=registry,
        manifest_hash=manifest.run_id,
        init_root=manifest.init_root,
        last_round=manifest.rounds,
        min_peers=manifest.min_peers,
        commit_blocks=manifest.commit_blocks,
        exchange_blocks=manifest.exchange_blocks,
        lo=manifest.lo,
        hi=manifest.hi,
        depth=manifest.depth,
        topology=manifest.topology_number,
    )


def check_terms(terms: RunTerms, manifest: RunManifest) -> None:
    """LEDGER-010: the contract was built with the manifest's own terms. Raises ConfigError."""
    expected = run_settings(manifest, terms.registry)
    for name in (term.name for term in fields(expected)):
        deployed, ours = getattr(terms, name), getattr(expected, name)
        if deployed != ours:
            raise ConfigError(
                f"the run 0x{terms.contract.hex()} was deployed with {name} {deployed!r}, and"
                f" run.toml says {ours!r}: the run's owner made a mistake, or is not to be trusted"
            )


def enrol_site(
    url: str, run: bytes, key: IdentityKey, account: bytes | Signer, manifest: RunManifest
) -> int:
    """Enrol in the run's registry, with a proof of the peer key; the member's index.

    `account` is the account's key, or what signs for it. The node posts its addresses itself when
    it starts. Raises LedgerError, or ConfigError where the run was deployed for another manifest.
    """
    terms = read_terms(url, run)
    if terms.manifest_hash != manifest.run_id:
        raise ConfigError(
            f"the run 0x{run.hex()} has other terms than our run.toml ({manifest.run_id.hex()});"
            " take the file unchanged from the run's owner"
        )
    check_terms(terms, manifest)
    address = account_address(account) if isinstance(account, bytes) else account.account
    peer = key.public
    preimage = identity.enrol_preimage(terms.chain_id, terms.registry, address, peer, 0)
    proof = key.sign(preimage)
    deploy.enrol(url, account, terms.registry, peer=peer, key_epoch=0, proof=proof, addresses=())
    members = deploy.read_members(url, terms.registry)
    return next(member.index for member in members if member.peer == peer)


def format_config(settings: SiteSettings) -> str:
    """node.toml, with a comment for each key."""
    text = f"""\
# Settings of one swarmp2p node. Relative paths are relative to this file.
[node]
name = {format_value(settings.name)}                  # how logs and receipts call this site
listen = {format_value(settings.listen)}   # port 0: any free one; the chain tells the others
state = "state"                  # guard rows, chunks, log, control socket
receipts = {format_value(settings.receipts)}
poll = {settings.poll}                       # seconds between two looks at the chain
linger = {settings.linger}                     # seconds to go on serving after training has ended

[keys]                           # keep these to yourself; back them up
identity = "keys/identity.key"   # signs messages, names this peer
account = "keys/account.json"    # sends this site's transactions
# signer = "http://127.0.0.1:9000"  # web3signer or clef; `account` is then its address, 0x...
passphrase_file = "keys/passphrase"

[ledger]
url = {format_value(settings.ledger_url)}  # or a list: its endpoints are compared
run = {format_value(settings.run)}  # printed by `swarmp2p ledger deploy`
manifest = {format_value(settings.manifest)}            # the run's terms, equal at all sites

"""
    if settings.program:
        text += f"[train]\nprogram = {format_value(settings.program)}\n\n[train.options]\n"
    else:
        text += '[train]\n# program = "package.module:function"   # called with a Swarm\n\n'
        text += "[train.options]\n"
    text += "".join(f"{key} = {format_value(value)}\n" for key, value in settings.options.items())
    text += "\n[peers]                          # what to call the others, by their keys\n"
    return text + "".join(
        f"{name} = {format_value(key)}\n" for name, key in settings.labels.items()
    )
