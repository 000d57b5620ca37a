from pathlib import Path

import pytest

from swarmp2p.errors import ConfigError
from swarmp2p.ledger.accounts import (
    account_address,
    checksum,
    load_account,
    new_account,
    parse_account,
    read_key_file,
    save_account,
    write_key_file,
)

KEY = b"\x05" * 32
WEAK = 2  # scrypt's N: tests need no protection


def test_keystore__comes_back_and_is_private(tmp_path: Path) -> None:
    path = tmp_path / "account.json"
    save_account(path, KEY, "open", iterations=WEAK)
    assert load_account(path, "open") == KEY
    assert path.stat().st_mode & 0o777 == 0o600
    assert KEY.hex() not in path.read_text()
    with pytest.raises(ConfigError, match="wrong passphrase"):
        load_account(path, "shut")
    with pytest.raises(ConfigError, match="never replaced"):
        save_account(path, KEY, "open", iterations=WEAK)
    path.chmod(0o640)
    with pytest.raises(ConfigError, match=r"mode 0640.*chmod 600"):
        load_account(path, "open")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        '{"version": 3}',
        '{"version": 1, "crypto": {}}',
        "[" * 9000,
        '{"version": 3, "crypto": {}}',
        '{"version": 3, "crypto": 5}',
        " " * 20_000,
    ],
)
def test_keystore__must_be_one(tmp_path: Path, text: str) -> None:
    path = tmp_path / "account.json"
    path.write_text(text)
    path.chmod(0o600)
    with pytest.raises(ConfigError, match=r"account\.json"):
        load_account(path, "open")


def test_key_files__are_not_followed_through_links(tmp_path: Path) -> None:
    write_key_file(tmp_path / "key", KEY)
    assert read_key_file(tmp_path / "key") == KEY
    (tmp_path / "link").symlink_to(tmp_path / "key")
    for path in (tmp_path / "link", tmp_path / "none", tmp_path):
        with pytest.raises(ConfigError):
            read_key_file(path)
    (tmp_path / "key").write_text("0x00")
    with pytest.raises(ConfigError, match="64 hexadecimal digits"):
        read_key_file(tmp_path / "key")
    with pytest.raises(ConfigError, match="cannot be written"):
        write_key_file(tmp_path / "none" / "key", KEY)


def test_new_account__draws_until_the_key_is_in_range() -> None:
    draws = iter([bytes(32), b"\xff" * 32, KEY])
    assert new_account(lambda _size: next(draws)) == KEY


def test_account_address__refuses_other_bytes() -> None:
    for key in (bytes(32), b"\xff" * 32, b"\x05" * 31):
        with pytest.raises(ConfigError, match="not an Ethereum key"):
            account_address(key)


def test_parse_account__checks_the_checksum() -> None:
    account = account_address(KEY)
    shown = checksum(account)
    assert parse_account(shown) == parse_account(shown.lower()) == account
    for text in (shown.swapcase().replace("0X", "0x"), shown[:-1], "0x" + "g" * 40, ""):
        with pytest.raises(ConfigError):
            parse_account(text)
