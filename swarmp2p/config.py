"""A node's own settings (node.toml). They share no field with the run manifest."""

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from swarmp2p.errors import ConfigError
from swarmp2p.tables import Table, read_table


@dataclass(frozen=True)
class SwarmConfig:
    """One node. Paths are absolute; those in the file are relative to the file.

    `labels` are names for people, by peer key; `poll` is the seconds between two looks at the
    chain; `linger` how long the node goes on serving after its program has ended, so that slower
    peers get the last round's chunks; `announce` the multiaddrs to put on the chain where they are
    not those listened on. `program` is "package.module:function", called with the
    Swarm; None: the node only relays and serves. `ledger_urls` are the chain's endpoints, compared
    where there are several; `ledger_url`, the first of them, serves commands that look once.
    `signer` is the URL of an external signer of the account `signer_account`, 20 bytes; None: the
    key is in the keystore `account`. `weight` is the declared weight (training
    examples) where the program gives none.
    """

    name: str
    state: Path
    listen: str
    identity: Path
    account: Path
    passphrase_file: Path
    ledger_url: str = field(repr=False)  # URLs may hold keys
    run: str
    manifest: Path
    receipts: Path
    program: str | None = None
    weight: int | None = None
    options: dict[str, Any] = field(default_factory=dict)
    announce: tuple[str, ...] = ()
    labels: dict[bytes, str] = field(default_factory=dict)
    poll: float = 0.2
    linger: float = 5.0
    ledger_urls: tuple[str, ...] = field(default=(), repr=False)
    signer: str | None = field(default=None, repr=False)
    signer_account: bytes = b""

    @classmethod
    def from_toml(cls, path: str | os.PathLike[str]) -> "SwarmConfig":
        """Read and check node.toml. Raises ConfigError with the key and what was expected."""
        file = Path(path).absolute()
        table = read_table(file)
        node, keys, ledger = table.table("node"), table.table("keys"), table.table("ledger")
        train, peers = table.table("train", needed=False), table.table("peers", needed=False)
        table.end()
        state = file.parent / node.take("state", str, "state")
        weight = train.take("weight", int, None)
        urls, signer = ledger.words("url"), keys.take("signer", str, None)
        account = keys.take("account", str, "keys/account.json" if signer is None else ...)
        config = cls(
            name=node.take("name", str),
            state=state,
            listen=node.take("listen", str, "/ip4/127.0.0.1/tcp/0"),
            receipts=file.parent / node.take("receipts", str, str(state / "receipts")),
            poll=node.take("poll", float, 0.2),
            linger=node.take("linger", float, 5.0),
            labels=_labels(peers),
            announce=tuple(str(text) for text in node.take("announce", list, [])),
            identity=file.parent / keys.take("identity", str, "keys/identity.key"),
            account=file.parent / account,
            passphrase_file=file.parent / keys.take("passphrase_file", str, "keys/passphrase"),
            ledger_url=urls[0],
            ledger_urls=urls,
            signer=signer,
            signer_account=b"" if signer is None else _signers(account, keys.where),
            run=ledger.take("run", str),
            manifest=file.parent / ledger.take("manifest", str, "run.toml"),
            program=_program(train.take("program", str, None), file.parent),
            weight=weight,
            options=train.take("options", dict, {}),
        )
        for part in (node, keys, ledger, train):
            part.end()
        config.check(file.name)
        return config

    def check(self, where: str) -> None:
        """Refuse values no node could use. Raises ConfigError."""
        if not self.name or len(self.name) > 64 or not self.name.replace("-", "").isalnum():
            raise ConfigError(
                f"{where} [node]: 'name' is {self.name!r}; expected letters, digits and '-', at"
                " most 64"
            )
        if self.weight is not None and not 1 <= self.weight < 2**32:
            raise ConfigError(f"{where} [train]: 'weight' is {self.weight}; expected 1 to 2^32-1")
        if self.program is not None and ":" not in self.program:
            raise ConfigError(
                f"{where} [train]: 'program' is {self.program!r}; expected package.module:function"
                " or path/to/file.py:function"
            )
        if not 0.01 <= self.poll <= 60:
            raise ConfigError(f"{where} [node]: 'poll' is {self.poll}; expected 0.01 to 60 seconds")
        everywhere = "/ip4/0.0.0.0/" in self.listen or "/ip6/::/" in self.listen
        if everywhere and not self.announce:
            raise ConfigError(
                f"{where} [node]: 'listen' is {self.listen!r}, which others cannot dial; say in"
                " 'announce' where they can, e.g. [\"/dns4/site.example/tcp/4001\"]"
            )
        run_address(self.run, f"{where} [ledger] 'run'")

    def contract(self) -> bytes:
        """The run contract's address, 20 bytes."""
        return run_address(self.run, "'run'")


def _program(name: str | None, folder: Path) -> str | None:
    """The program's name; a file's path in it is relative to node.toml."""
    if name is None or ".py:" not in name:
        return name
    path, _, function = name.rpartition(":")
    return f"{folder / path}:{function}"


def _labels(peers: Table) -> dict[bytes, str]:
    """[peers]: what to call a peer, by its key: NAME = "64 hex digits"."""
    labels = {}
    for name, key in peers.rest().items():
        if not isinstance(key, str) or not _is_key(key):
            raise ConfigError(f"{peers.where}: {name!r} is {key!r}; expected 64 hex digits")
        labels[bytes.fromhex(key)] = name
    return labels


def _is_key(text: str) -> bool:
    return len(text) == 64 and all(char in "0123456789abcdef" for char in text)


def _signers(account: str, where: str) -> bytes:
    return _address(
        account, f"{where} 'account' is", "the signer's account", "where there is a signer"
    )


def run_address(text: str, where: str) -> bytes:
    """0x and 40 hex digits -> 20 bytes. Raises ConfigError."""
    return _address(
        text, f"{where} is", "the run's address", "as `swarmp2p ledger deploy` prints it"
    )


def _address(text: str, where: str, what: str, source: str) -> bytes:
    """0x and 40 hex digits -> 20 bytes; whether its capitals are right is the ledger's to check."""
    try:
        value = bytes.fromhex(text.removeprefix("0x"))
    except ValueError:
        value = b""
    if len(value) != 20:
        raise ConfigError(f"{where} {text!r}; expected {what}, 0x and 40 hex digits, {source}")
    return value
