#!/usr/bin/env python3
"""Packs the smallest passing cases of each operator for `make test`, which has no Python:

    run_cases -l DIR... | pack_cases.py OUT.tar.gz

At most two cases an operator; the expansions of functions are left to the full run. The archive is the same for the
same cases."""
import gzip
import io
import pathlib
import sys
import tarfile

PER_OPERATOR = {"trees": 14, "sklearn": 12, "samples": 0}  # the samples' models are in the tree already
MOST_NBYTES = 60_000


def nbytes(case):
    return sum(f.stat().st_size for f in case.rglob("*") if f.is_file())


def spread(cases, count):
    """`count` of them, evenly over the sorted list: different kinds come in groups."""
    return cases if len(cases) <= count else [cases[i * len(cases) // count] for i in range(count)]


def main():
    by_operator = {}
    for line in sys.stdin:
        case = pathlib.Path(line.strip())
        if "_expanded" not in case.name and nbytes(case) <= MOST_NBYTES:
            by_operator.setdefault(case.parent.name, []).append(case)
    raw = io.BytesIO()
    count = 0
    with tarfile.open(fileobj=raw, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for operator, cases in sorted(by_operator.items()):
            keep = PER_OPERATOR.get(operator)
            chosen = sorted(cases, key=nbytes)[:2] if keep is None else spread(sorted(cases), keep)
            for case in sorted(chosen):
                count += 1
                for file in sorted(f for f in case.rglob("*") if f.is_file()):
                    info = tarfile.TarInfo(f"{operator}/{case.name}/{file.relative_to(case)}")
                    info.size = file.stat().st_size
                    tar.addfile(info, io.BytesIO(file.read_bytes()))
    with open(sys.argv[1], "wb") as out, gzip.GzipFile(fileobj=out, mode="wb", mtime=0, filename="") as packed:
        packed.write(raw.getvalue())
    print(f"{count} cases of {len(by_operator)} operators in {sys.argv[1]}")


if __name__ == "__main__":
    main()
