#!/bin/sh
# Compiles the Solidity sources again and compares the result with swarmp2p/ledger/artifacts/. Needs
# Node and npm; where they are missing it says so and passes, because only their authors need them.
set -eu
cd "$(dirname "$0")/.."

if ! command -v node >/dev/null 2>&1 || ! command -v npm >/dev/null 2>&1; then
    echo "contracts: not checked, there is no Node here"
    exit 0
fi
[ -d contracts/node_modules/solc ] && [ -d contracts/node_modules/@foundry-rs ] || (cd contracts && npm ci --silent --no-audit --no-fund)
"${VENV:-.venv}/bin/python" contracts/build.py --check
