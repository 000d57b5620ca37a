"""Prepares the demo's run: contracts, identities from the seed, enrolment, each site's folder."""

import hashlib
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from swarmp2p.crypto.keys import IdentityKey
from swarmp2p.demo.hospitals import Site, write_site_rows
from swarmp2p.demo.processes import Chain
from swarmp2p.ledger import deploy
from swarmp2p.ledger.accounts import account_address
from swarmp2p.manifest import RunManifest, format_manifest
from swarmp2p.sim.world import SimRng
from swarmp2p.site import SiteKeys, SiteSettings, enrol_site, run_settings, write_site

FUNDS = 10**20  # wei: gas for a site's transactions on the embedded chain
LINGER_SECONDS = 60.0  # the demo ends the nodes itself once all have their model


def derive_keys(seed: int, site: str) -> SiteKeys:
    """The keys of a demo site: the seed fixes them, so that a run can be repeated to the bit."""

    def secret(purpose: str) -> bytes:
        return hashlib.sha256(f"swarmp2p demo {purpose} {seed} {site}".encode()).digest()

    return SiteKeys(IdentityKey.from_seed(secret("identity")), secret("account"))


def deploy_and_enrol(
    sites: Sequence[Site], manifest: RunManifest, chain: Chain, seed: int
) -> dict[str, SiteKeys]:
    """Deploy the contracts and enrol every site; each site's keys by name."""
    keys = {site.name: derive_keys(seed, site.name) for site in sites}
    chain.registry = deploy.deploy_registry(chain.url, chain.owner_key)
    chain.run = deploy.deploy_run(
        chain.url, chain.owner_key, run_settings(manifest, chain.registry)
    )
    invitations = [
        deploy.Invitation(account_address(k.account), k.identity.public) for k in keys.values()
    ]
    deploy.invite(chain.url, chain.owner_key, chain.registry, invitations, funds=FUNDS)
    with ThreadPoolExecutor(len(keys)) as pool:
        list(pool.map(lambda k: _enrol(chain, k, manifest), keys.values()))
    return keys


def _enrol(chain: Chain, keys: SiteKeys, manifest: RunManifest) -> int:
    return enrol_site(chain.url, chain.run, keys.identity, keys.account, manifest)


def write_folder(
    out: Path,
    site: Site,
    manifest: RunManifest,
    chain: Chain,
    keys: Mapping[str, SiteKeys],
    *,
    seed: int,
) -> Path:
    """nodes/SITE: keys, node.toml, run.toml and this site's own rows; returns node.toml's path."""
    folder = out / "nodes" / site.name
    settings = SiteSettings(
        name=site.name,
        ledger_url=chain.url,
        run="0x" + chain.run.hex(),
        receipts="../../receipts",
        program="swarmp2p.demo.trainer:main",
        poll=0.1,
        linger=LINGER_SECONDS,
        options={"rows": str(folder / "rows.csv"), "out": str(folder)},
        labels={name: k.identity.public.hex() for name, k in keys.items()},
    )
    rng = SimRng(f"swarmp2p demo files {seed} {site.name}".encode())
    config = write_site(folder, keys[site.name], settings, rng)
    (folder / "run.toml").write_text(format_manifest(manifest), encoding="utf-8")
    write_site_rows(folder / "rows.csv", site)
    return config
