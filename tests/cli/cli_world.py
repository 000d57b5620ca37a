"""A development chain with blocks on a timer, sites made by `init`, and runs for them to join."""

import shutil
from dataclasses import dataclass, replace
from pathlib import Path

from swarmp2p.cli.main import run
from swarmp2p.config import SwarmConfig
from swarmp2p.launch import read_keys
from swarmp2p.ledger import deploy
from swarmp2p.ledger.accounts import account_address, write_key_file
from swarmp2p.ledger.devchain import OWNER_BALANCE, DevChain
from swarmp2p.manifest import example_manifest, format_manifest
from swarmp2p.site import SiteKeys, enrol_site, run_settings

OWNER = bytes(31) + b"\x09"
SITES = ("a", "b", "c", "d")
INTERVAL = 0.05  # seconds per block: commands wait for blocks by themselves


def new_chain(**options):
    return DevChain({account_address(OWNER): OWNER_BALANCE}, **{"interval": INTERVAL, **options})


def make_sites(folder: Path) -> dict[str, SiteKeys]:
    """Four sites as `init` makes them, whose runs are not deployed; the owner's key; the terms."""
    keys = {}
    for name in SITES:
        assert run(["init", str(folder / name)]) == 0
        keys[name] = read_keys(SwarmConfig.from_toml(folder / name / "node.toml"))
    write_key_file(folder / "owner.key", OWNER)
    return keys


@dataclass
class World:
    """One run on the chain, and copies of the sites that know it. Members: 0 is a, 1 is b, ..."""

    chain: DevChain
    folder: Path
    keys: dict[str, SiteKeys]
    run: bytes
    registry: bytes

    @property
    def url(self) -> str:
        return self.chain.url

    @property
    def address(self) -> str:
        return "0x" + self.run.hex()

    @property
    def owner(self) -> tuple[str, str]:
        return "--owner-key", str(self.folder / "owner.key")

    @property
    def where(self) -> tuple[str, ...]:
        return "--run", self.address, "--url", self.url

    def config(self, name: str) -> str:
        return str(self.folder / name / "node.toml")

    def settings(self, name: str) -> SwarmConfig:
        return SwarmConfig.from_toml(self.config(name))

    def names(self, name: str) -> tuple[str, ...]:
        site = self.keys[name]
        return "--account", site.address, "--peer", site.identity.public.hex()

    def invite(self, *names: str) -> None:
        sites = [self.keys[name] for name in names]
        invitations = [
            deploy.Invitation(account_address(site.account), site.identity.public) for site in sites
        ]
        deploy.invite(self.url, OWNER, self.registry, invitations, funds=10**18)

    def fund(self, *names: str) -> None:
        accounts = [account_address(self.keys[name].account) for name in names]
        deploy.fund(self.url, OWNER, accounts, wei=10**18)

    def enrol(self, *names: str) -> None:
        for name in names:
            site = self.keys[name]
            enrol_site(self.url, self.run, site.identity, site.account, example_manifest())


def make_world(chain: DevChain, made: Path, folder: Path, keys: dict[str, SiteKeys]) -> World:
    """A fresh registry and run, with nobody invited yet."""
    shutil.copytree(made, folder)
    registry = deploy.deploy_registry(chain.url, OWNER)
    address = deploy.deploy_run(chain.url, OWNER, run_settings(example_manifest(), registry))
    for name in SITES:
        config = folder / name / "node.toml"
        text = config.read_text().replace("http://127.0.0.1:8545", chain.url)
        config.write_text(text.replace("0x" + "00" * 20, "0x" + address.hex()))
        terms = format_manifest(replace(example_manifest()))
        (folder / name / "run.toml").write_text(terms)
    return World(chain, folder, keys, address, registry)
