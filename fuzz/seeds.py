#!/usr/bin/env python3
"""Makes the seed corpora of the fuzz targets from fixtures/: fuzz/corpus/TARGET/. What is there already stays."""

import pathlib
import re

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
