#!/usr/bin/env bash
# compare.sh [SLUICE [PYTHON]]: many random files of every format against the format's reference implementation; prints
# the table of tests/golden/README.md. Python and the packages of requirements.txt are needed here only.
set -eu
cd "$(dirname "$0")"
exec "${2:-python3}" make.py --compare "${1:-../../../build/release/sluice}"
