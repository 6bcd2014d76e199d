#!/usr/bin/env python3
"""Makes the seed corpora of the fuzz targets from fixtures/: fuzz/corpus/TARGET/. What is there already stays."""

import io
import pathlib
import re
import tarfile

here = pathlib.Path(__file__).parent
fixtures = here.parent / "fixtures"
store = fixtures / "stores/v1/everything"


def put(target, name, data):
    folder = here / "corpus" / target
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(data)


for path in [*fixtures.glob("manifests/*.cbor"), *fixtures.glob("manifests/refused/*.cbor")]:
    if path.stat().st_size < 64 * 1024:
        put("cbor", path.name, path.read_bytes())
        put("manifest", path.name, path.read_bytes())
for path in fixtures.glob("manifests/*.jcs"):
    put("json", path.name, path.read_bytes())

# The types in the order in which the library lists them.
source = (here.parent / "src/events/event.rs").read_text()
types = re.findall(r'Self::\w+ => "(v1\.[\w.]+)"', source)
for path in sorted(fixtures.glob("events/*.txt")):
    fields = dict(line.split(" ", 1) for line in path.read_text().splitlines() if " " in line)
    payload, record = bytes.fromhex(fields["payload"]), bytes.fromhex(fields["record"])
    put("payload", path.stem, bytes([types.index(path.stem.split("-", 1)[1])]) + payload)
    put("record", path.stem, record)
    put("cbor", path.stem, payload)

log = (store / "log/00000000000000000001.cborseq").read_bytes()
put("item", "log", log)
put("log", "whole", log)
for cut in (1, 100, len(log) // 2):
    put("item", f"cut-{cut}", log[:-cut])
    put("log", f"cut-{cut}", log[:-cut])
    put("log", f"zeros-{cut}", log[:-cut] + bytes(cut))
put("log", "two-files", log + b"FILE27;" + log[:500])
put("config", "store", (store / "astore.toml").read_bytes())
put("database", "store", (store / "astore.db").read_bytes())

for form in (tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form) as archive:
        for name, kind in (("d", tarfile.DIRTYPE), ("d/f", tarfile.REGTYPE), ("l", tarfile.SYMTYPE), ("n" * 80 + "/" + "n" * 60, tarfile.LNKTYPE)):
            member = tarfile.TarInfo(name)
            member.type, member.linkname, member.mtime = kind, "d/f", 1.5
            member.size = 3 if kind == tarfile.REGTYPE else 0
            archive.addfile(member, io.BytesIO(b"abc"))
    put("tar", f"format-{form}", out.getvalue())
sums = "".join(f"{line}\n" for line in ("0" * 64 + "  a", "\\" + "1" * 64 + " *b\\n", "SHA256 (c) = " + "2" * 64))
put("checkfile", "sums", sums.encode())

digest = "9f1ed40bab9c54cbf41493d126ef10b5b3e6dbe536d4f94ca7494eda576fa5d5"
words = f"""blake3:{digest}
sha256:{digest[:9]}
{digest}
1790000000000000-86400-{digest}
app@12
018bcfe5-6800-7000-8000-000000000001
018bcfe5
bin/tool
90s
24h
2031-12-31
0-99
5-
commit=1a2b3c
nightly=14d
keep=never
12:{digest}
build-1.2+3_x"""
for number, word in enumerate(words.splitlines()):
    put("words", str(number), word.encode())
