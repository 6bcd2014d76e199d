#!/usr/bin/env python3
"""An independent reader and checker of astore stores, written from store-layout.md alone.

It shares no code with astore. It reads the events from astore.db and from log/, checks the chain, compares the
two, computes the views a second time and compares them row by row, checks manifests and objects, and prints a
JSON summary. It changes nothing in the store: the database is copied before it is opened.

    astore_reader.py ROOT [--no-objects] [--from-log]
    astore_reader.py plan ROOT (INSTANT MIN_AGE)... [--from-log]
    astore_reader.py --self-test
    astore_reader.py --manifests DIR

--no-objects   does not read the bytes of objects (payload objects and manifests are read all the same)
--from-log     takes the events from log/ alone, as if the database were lost
plan           prints what a gc may take, and PLAN: for each instant in microseconds and age in seconds
--manifests    checks golden manifests: DIR/NAME.cbor against NAME.jcs and NAME.digest; DIR/refused/*.cbor are none

Exit codes: 0 nothing wrong, 1 could not look, 2 usage, 4 something is wrong, 8 no store there.

Needs Python 3.9 or later with SQLite 3.37 or later. Uses the package `blake3` where it is installed; without it a
small implementation of its own, and then leaves the BLAKE3 of large objects to their SHA-256, and says so.
"""

import hashlib
import json
import os
import re
import shutil
import sqlite3
import stat
import struct
import sys
import tempfile
import uuid

try:
    import blake3 as _fast_blake3
except ImportError:
    _fast_blake3 = None

try:
    import cbor2 as _cbor2
except ImportError:
    _cbor2 = None

INLINE_PAYLOAD_MAX = 65_536
LOG_FILE_BYTES = 64 << 20
SLOW_BLAKE3_MAX = 1 << 20  # without the package, the BLAKE3 of longer objects is not computed
INT_MAX = 2**53 - 1


# ---------------------------------------------------------------------------------------------------------------
# BLAKE3 (1.1), for machines without the package: the specification's algorithm, hash mode, 32 bytes.

_IV = (0x6A09E667, 0xBB67AE85, 0x3C6EF372, 0xA54FF53A, 0x510E527F, 0x9B05688C, 0x1F83D9AB, 0x5BE0CD19)
_PERMUTATION = (2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8)
_CHUNK_START, _CHUNK_END, _PARENT, _ROOT = 1, 2, 4, 8
_LANES = (
    (0, 4, 8, 12), (1, 5, 9, 13), (2, 6, 10, 14), (3, 7, 11, 15),
    (0, 5, 10, 15), (1, 6, 11, 12), (2, 7, 8, 13), (3, 4, 9, 14),
)  # fmt: skip
_M32 = 0xFFFFFFFF


def _compress(chaining, words, counter, length, flags):
    v = [*chaining, *_IV[:4], counter & _M32, counter >> 32, length, flags]
    m = words
    for round_number in range(7):
        if round_number:
            m = [m[i] for i in _PERMUTATION]
        for lane, (a, b, c, d) in enumerate(_LANES):
            va, vb, vc, vd = v[a], v[b], v[c], v[d]
            va = (va + vb + m[2 * lane]) & _M32
            vd ^= va
            vd = (vd >> 16 | vd << 16) & _M32
            vc = (vc + vd) & _M32
            vb ^= vc
            vb = (vb >> 12 | vb << 20) & _M32
            va = (va + vb + m[2 * lane + 1]) & _M32
            vd ^= va
            vd = (vd >> 8 | vd << 24) & _M32
            vc = (vc + vd) & _M32
            vb ^= vc
            vb = (vb >> 7 | vb << 25) & _M32
            v[a], v[b], v[c], v[d] = va, vb, vc, vd
    return [v[i] ^ v[i + 8] for i in range(8)]


def _words(block):
    return list(struct.unpack("<16I", block.ljust(64, b"\0")))


class SlowBlake3:
    """BLAKE3 in Python: right, and slow."""

    def __init__(self):
        self._buffer = b""
        self._chunks = 0
        self._stack = []

    def update(self, data):
        self._buffer += data
        start = 0
        while len(self._buffer) - start > 1024:  # the last chunk waits: it may be the root
            self._push(self._chunk(self._buffer[start : start + 1024], self._chunks, False))
            start += 1024
        self._buffer = self._buffer[start:]

    @staticmethod
    def _chunk(data, counter, root):
        chaining = _IV
        blocks = [data[i : i + 64] for i in range(0, len(data), 64)] or [b""]
        for i, block in enumerate(blocks):
            flags = _CHUNK_START if i == 0 else 0
            if i == len(blocks) - 1:
                flags |= _CHUNK_END | (_ROOT if root else 0)
            chaining = _compress(chaining, _words(block), counter, len(block), flags)
        return chaining

    def _push(self, chaining):
        self._chunks += 1
        total = self._chunks
        while total % 2 == 0:
            chaining = _compress(_IV, self._stack.pop() + chaining, 0, 64, _PARENT)
            total //= 2
        self._stack.append(chaining)

    def digest(self):
        if not self._stack:
            words = self._chunk(self._buffer, 0, True)
        else:
            words = self._chunk(self._buffer, self._chunks, False)
            for depth in range(len(self._stack) - 1, -1, -1):
                flags = _PARENT | (_ROOT if depth == 0 else 0)
                words = _compress(_IV, self._stack[depth] + words, 0, 64, flags)
        return struct.pack("<8I", *words)


def blake3_hasher():
    return _fast_blake3.blake3() if _fast_blake3 else SlowBlake3()


def blake3(data):
    hasher = blake3_hasher()
    hasher.update(data)
    return hasher.digest()


# ---------------------------------------------------------------------------------------------------------------
# Canonical CBOR (1.3): a decoder that accepts nothing else, and an encoder that writes nothing else.


class NotCanonical(Exception):
    """Bytes that are not canonical CBOR; `torn` where they only end too early."""

    def __init__(self, what, torn=False):
        super().__init__(what)
        self.torn = torn


class Decoder:
    def __init__(self, data, offset=0):
        self.data = data
        self.at = offset

    def _head(self):
        if self.at >= len(self.data):
            raise NotCanonical("it ends early", torn=True)
        first = self.data[self.at]
        major, info = first >> 5, first & 31
        self.at += 1
        if info < 24:
            return major, info
        if info > 27:
            raise NotCanonical(f"a head with additional information {info}")
        size = 1 << (info - 24)
        if self.at + size > len(self.data):
            raise NotCanonical("it ends early", torn=True)
        value = int.from_bytes(self.data[self.at : self.at + size], "big")
        self.at += size
        if major == 7:
            raise NotCanonical("a floating-point number or an unknown simple value")
        if value < (24 if size == 1 else 1 << (size * 4)):
            raise NotCanonical("a head that is not the shortest")
        return major, value

    def _take(self, length):
        if self.at + length > len(self.data):
            raise NotCanonical("it ends early", torn=True)
        taken = bytes(self.data[self.at : self.at + length])
        self.at += length
        return taken

    def value(self, depth=1):
        major, argument = self._head()
        if major == 0 or major == 1:
            if argument > INT_MAX - (1 if major == 1 else 0):
                raise NotCanonical("an integer beyond 2^53-1")
            return argument if major == 0 else -1 - argument
        if major == 2:
            return self._take(argument)
        if major == 3:
            try:
                return self._take(argument).decode("utf-8", "strict")
            except UnicodeDecodeError as error:
                raise NotCanonical("text that is not UTF-8") from error
        if major == 4:
            if depth > 16:
                raise NotCanonical("nesting deeper than 16")
            return [self.value(depth + 1) for _ in range(argument)]
        if major == 5:
            if depth > 16:
                raise NotCanonical("nesting deeper than 16")
            result, last = {}, b""
            for _ in range(argument):
                start = self.at
                key = self.value(depth + 1)
                if not isinstance(key, str):
                    raise NotCanonical("a map key that is not text")
                encoded = bytes(self.data[start : self.at])
                if encoded <= last:
                    raise NotCanonical(f"the key {key!r} is out of order or there twice")
                last = encoded
                result[key] = self.value(depth + 1)
            return result
        if major == 7 and argument in (20, 21, 22):
            return {20: False, 21: True, 22: None}[argument]
        raise NotCanonical("a tag or an unknown simple value")


def decode(data):
    """Returns the one item that `data` is."""
    decoder = Decoder(data)
    try:
        value = decoder.value()
    except RecursionError as error:
        raise NotCanonical("nesting deeper than 16") from error
    if decoder.at != len(data):
        raise NotCanonical("something follows the item")
    if _cbor2 is not None and _cbor2.loads(data) != value:
        raise NotCanonical("another decoder reads something else")
    return value


def head(major, argument):
    if argument < 24:
        return bytes([major << 5 | argument])
    for info, size in ((24, 1), (25, 2), (26, 4), (27, 8)):
        if argument < 1 << (8 * size):
            return bytes([major << 5 | info]) + argument.to_bytes(size, "big")
    raise ValueError("an argument beyond 64 bits")


def encode(value):
    if value is None:
        return b"\xf6"
    if value is True or value is False:
        return b"\xf5" if value else b"\xf4"
    if isinstance(value, int):
        return head(0, value) if value >= 0 else head(1, -1 - value)
    if isinstance(value, bytes):
        return head(2, len(value)) + value
    if isinstance(value, str):
        text = value.encode("utf-8")
        return head(3, len(text)) + text
    if isinstance(value, (list, tuple)):
        return head(4, len(value)) + b"".join(map(encode, value))
    if isinstance(value, dict):
        pairs = sorted((encode(key), encode(item)) for key, item in value.items())
        return head(5, len(pairs)) + b"".join(key + item for key, item in pairs)
    raise TypeError(f"no canonical CBOR for {type(value)}")


# ---------------------------------------------------------------------------------------------------------------
# Manifests (9) and their JSON projection (10).

NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._+-]{0,127}\Z")
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z")
HEX_FIELDS = ("blake3", "sha256", "content_digest", "path_bytes", "target_bytes")


class Refused(Exception):
    """Something that is canonical and still not what the layout says."""


class LaterVersion(Exception):
    """A manifest of a version that this reader does not know (16.2)."""


def need(condition, what):
    if not condition:
        raise Refused(what)


def is_uint(value):
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def is_int(value):
    return isinstance(value, int) and not isinstance(value, bool)


def is_text(value, limit=65_536):
    return isinstance(value, str) and len(value.encode()) <= limit


def is_bytes(value):
    return isinstance(value, bytes)


def is_digest(value):
    return isinstance(value, bytes) and len(value) == 32


def check_labels(value, what):
    need(isinstance(value, dict) and len(value) <= 1024, f"{what} is no map of at most 1,024 keys")
    for key, item in value.items():
        need(is_text(key) and is_text(item), f"{what} has something that is no short text")


def raw_bytes(entry, name, what):
    """Returns the bytes of `path` or `target`, whichever way they are spelled (9.4)."""
    text, raw = entry.get(name), entry.get(name + "_bytes")
    need((text is None) != (raw is None), f"{what} has not one of {name} and {name}_bytes")
    if text is not None:
        need(isinstance(text, str), f"{what}: {name} is no text")
        return text.encode()
    need(isinstance(raw, bytes), f"{what}: {name}_bytes are no bytes")
    try:
        raw.decode("utf-8", "strict")
    except UnicodeDecodeError:
        return raw
    raise Refused(f"{what}: {name}_bytes are UTF-8")


def entry_path(entry):
    need(isinstance(entry, dict), "an entry is no map")
    path = raw_bytes(entry, "path", "an entry")
    need(1 <= len(path) <= 4096, "a path is empty or longer than 4,096 bytes")
    need(b"\0" not in path, "a path holds a NUL byte")
    need(all(part not in (b"", b".", b"..") for part in path.split(b"/")), f"the path {path!r} is not safe")
    return path


def check_entry(entry):
    """Checks one entry (9.3) and returns its path."""
    path = entry_path(entry)
    what = repr(path)
    keys = set(entry) - {"path", "path_bytes", "mtime"}
    kind = entry.get("kind")
    if kind == "file":
        need(keys == {"kind", "mode", "size", "blake3", "sha256"}, f"{what} has not the keys of a file")
        need(is_uint(entry["size"]), f"{what}: size")
        need(is_digest(entry["blake3"]) and is_digest(entry["sha256"]), f"{what}: a digest is not 32 bytes")
    elif kind == "directory":
        need(keys == {"kind", "mode"}, f"{what} has not the keys of a directory")
    elif kind == "symlink":
        need(keys in ({"kind", "target"}, {"kind", "target_bytes"}), f"{what} has not the keys of a symlink")
        target = raw_bytes(entry, "target", what)
        need(1 <= len(target) <= 4096 and b"\0" not in target, f"{what}: its target")
    else:
        raise Refused(f"{what} is of kind {kind!r}")
    if kind != "symlink":
        need(is_uint(entry["mode"]) and entry["mode"] <= 0o7777, f"{what}: mode")
    if "mtime" in entry:
        mtime = entry["mtime"]
        need(isinstance(mtime, list) and len(mtime) == 2, f"{what}: mtime")
        need(is_int(mtime[0]) and is_uint(mtime[1]) and mtime[1] < 1_000_000_000, f"{what}: mtime")
    return path


def check_entries(entries, with_parents):
    """Checks a list of entries: each one, their order, and (9.6) that parents come before."""
    need(isinstance(entries, list) and len(entries) <= 16_000_000, "the entries are no list, or too many")
    last, directories = b"", set()
    for entry in entries:
        path = check_entry(entry)
        need(path > last, f"the path {path!r} is out of order or there twice")
        last = path
        if with_parents and b"/" in path:
            parent = path.rsplit(b"/", 1)[0]
            need(parent in directories, f"the parent of {path!r} is no directory before it")
        if entry["kind"] == "directory":
            directories.add(path)


def check_manifest(data):
    """Returns the manifest that `data` is, checked against 9.1 to 9.7."""
    manifest = decode(data)
    need(isinstance(manifest, dict), "a manifest is a map")
    version = manifest.get("manifest_version")
    need(is_uint(version), "a manifest has a manifest_version")
    if version != 1:
        raise LaterVersion(version)
    need(
        set(manifest)
        == {
            "manifest_version",
            "package",
            "files",
            "content_digest",
            "storage_receipts",
            "retention_summary",
            "provenance",
        },
        "the manifest has not exactly the keys of version 1",
    )
    package = manifest["package"]
    need(
        isinstance(package, dict)
        and set(package) == {"id", "name", "version", "created_at", "created_by", "metadata"},
        "package has not exactly its keys",
    )
    need(isinstance(package["id"], str) and UUID.match(package["id"]), "package.id is no UUID")
    need(isinstance(package["name"], str) and NAME.match(package["name"]), "package.name is no name")
    need(is_uint(package["version"]) and package["version"] >= 1, "package.version")
    need(is_int(package["created_at"]), "package.created_at")
    need(is_text(package["created_by"]), "package.created_by")
    check_labels(package["metadata"], "metadata")
    check_labels(manifest["provenance"], "provenance")
    check_entries(manifest["files"], with_parents=True)
    need(manifest["content_digest"] == blake3(encode(manifest["files"])), "content_digest is not that of files")
    receipts = manifest["storage_receipts"]
    need(isinstance(receipts, list) and len(receipts) <= 64, "storage_receipts")
    for receipt in receipts:
        need(
            isinstance(receipt, dict)
            and set(receipt) == {"backend_id", "objects", "bytes"}
            and is_text(receipt["backend_id"])
            and is_uint(receipt["objects"])
            and is_uint(receipt["bytes"]),
            "a storage receipt",
        )
    need(is_ascending([receipt["backend_id"].encode() for receipt in receipts]), "storage_receipts are not in order")
    summary = manifest["retention_summary"]
    need(
        isinstance(summary, dict)
        and set(summary) == {"class", "duration_seconds"}
        and is_text(summary["class"])
        and (summary["duration_seconds"] is None or is_uint(summary["duration_seconds"])),
        "retention_summary",
    )
    return manifest


def jcs(value):
    """RFC 8785 of what manifests are made of."""
    if isinstance(value, dict):
        keys = sorted(value, key=lambda key: key.encode("utf-16-be"))
        return "{" + ",".join(f"{jcs(key)}:{jcs(value[key])}" for key in keys) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(jcs, value)) + "]"
    if isinstance(value, bytes):
        return jcs(value.hex())
    return json.dumps(value, ensure_ascii=False)


# ---------------------------------------------------------------------------------------------------------------
# Payloads (8): a table of what must be there.


def is_ascending(values):
    return all(a < b for a, b in zip(values, values[1:]))


def is_id(value):
    return isinstance(value, str) and bool(UUID.match(value))


def is_name(value):
    return isinstance(value, str) and bool(NAME.match(value))


def is_bool(value):
    return isinstance(value, bool)


def is_labels(value):
    check_labels(value, "labels")
    return True


def is_classes(value):
    return isinstance(value, list) and all(
        isinstance(item, dict)
        and is_name(item.get("name"))
        and "duration_seconds" in item
        and (item["duration_seconds"] is None or is_uint(item["duration_seconds"]))
        for item in value
    )


def is_stored(value):
    return (
        isinstance(value, list)
        and all(
            isinstance(item, list)
            and len(item) == 3
            and is_digest(item[0])
            and is_digest(item[1])
            and is_uint(item[2])
            for item in value
        )
        and is_ascending([item[0] for item in value])
    )


def is_entries(value):
    check_entries(value, with_parents=False)
    return True


def is_target(value):
    return isinstance(value, dict) and (
        (set(value) == {"package"} and is_id(value["package"]))
        or (set(value) == {"object"} and is_digest(value["object"]))
    )


def are_ids(value):
    return isinstance(value, list) and all(map(is_id, value)) and is_ascending(value)


def are_digests(value):
    return isinstance(value, list) and all(map(is_digest, value)) and is_ascending(value)


def maps_with(**fields):
    def check(value):
        return (
            isinstance(value, list)
            and all(
                isinstance(item, dict) and all(name in item and test(item[name]) for name, test in fields.items())
                for item in value
            )
            and is_ascending([item["address"] for item in value])
        )

    return check


def is_faults(value):
    return isinstance(value, list) and all(
        isinstance(item, dict)
        and is_text(item.get("kind"))
        and is_digest(item.get("address", bytes(32)))
        and is_text(item.get("name", ""))
        and is_text(item.get("detail", ""))
        for item in value
    )


def or_null(test):
    return lambda value: value is None or test(value)


# event type -> subject kind, and for each key of the payload the test of its value; "?" may be absent.
PAYLOADS = {
    "v1.store.created": (
        "store",
        {
            "format": lambda value: value == 1,
            "store_id": is_id,
            "primary_algorithm": lambda value: value == "blake3",
            "retention_classes": is_classes,
        },
    ),
    "v1.package.created": (
        "package",
        {
            "id": is_id,
            "name": is_name,
            "version": lambda value: is_uint(value) and value >= 1,
            "retention_class": is_text,
            "metadata": is_labels,
            "provenance": is_labels,
        },
    ),
    "v1.objects.stored": ("add", {"backend_id": is_text, "objects": is_stored}),
    "v1.package.entries_added": ("package", {"backend_id": is_text, "entries": is_entries, "replace?": is_bool}),
    "v1.package.finalized": ("package", None),
    "v1.package.removed": ("package", {"reason": is_text}),
    "v1.package.restored": ("package", {"reason?": is_text}),
    "v1.package.imported": ("package", {"manifest": lambda value: isinstance(value, bytes), "origin": is_text}),
    "v1.pin.added": ("pin", {"name": is_name, "target": is_target, "reason?": is_text}),
    "v1.pin.removed": ("pin", {"name": is_name, "reason?": is_text}),
    "v1.retention.changed": (
        "package",
        {"class?": is_text, "expires_at?": or_null(is_int), "hold?": is_bool, "reason": is_text},
    ),
    "v1.gc.started": (
        "gc",
        {
            "plan": is_text,
            "round": is_uint,
            "rounds": is_uint,
            "reason?": is_text,
            "clock_accepted?": is_bool,
            "packages": are_ids,
            "objects": maps_with(address=is_digest, size=is_uint, why=is_text),
        },
    ),
    "v1.gc.completed": (
        "gc",
        {
            "started": is_uint,
            "objects": is_uint,
            "bytes": is_uint,
            "missing": are_digests,
            "failed": maps_with(address=is_digest, error=is_text),
            "duration": is_uint,
        },
    ),
    "v1.object.healed": (
        "object",
        {
            "address": is_digest,
            "sha256": is_digest,
            "size": is_uint,
            "backend_id": is_text,
            "fault": is_text,
            "source": is_text,
        },
    ),
    "v1.schema.registered": (
        "schema",
        {"name": is_name, "version": is_uint, "media_type": is_text, "document": is_bytes},
    ),
    "v1.verify.completed": (
        "verify",
        {
            "head": is_uint,
            "head_digest": is_digest,
            "mode": is_text,
            "first?": is_digest,
            "last?": is_digest,
            "expected_head?": is_uint,
            "expected_digest?": is_digest,
            "objects": is_uint,
            "bytes": is_uint,
            "faults": is_faults,
        },
    ),
}


def check_payload(event, data):
    """Returns what the payload says and how many of its keys are unknown, or None for an unknown event (16.2)."""
    if event["event_type"] not in PAYLOADS:
        value = decode(data)
        need(isinstance(value, dict), "a payload is a map")
        return None, 0
    subject_kind, fields = PAYLOADS[event["event_type"]]
    need(event["subject_kind"] == subject_kind, f"the subject is no {subject_kind}")
    if fields is None:
        try:
            manifest = check_manifest(data)
        except LaterVersion:
            return None, 0
        need(manifest["package"]["id"] == event["subject_id"], "the manifest is of another package")
        return manifest, 0
    value = decode(data)
    need(isinstance(value, dict), "a payload is a map")
    known = set()
    for key, test in fields.items():
        name = key.rstrip("?")
        known.add(name)
        if name in value:
            need(test(value[name]), f"the payload's {name} is not of its type")
        else:
            need(key.endswith("?"), f"the payload has no {name}")
    same_subject = {
        "v1.store.created": lambda: value["store_id"],
        "v1.package.created": lambda: value["id"],
        "v1.pin.added": lambda: value["name"],
        "v1.pin.removed": lambda: value["name"],
        "v1.schema.registered": lambda: value["name"],
        "v1.object.healed": lambda: "blake3:" + value["address"].hex(),
    }.get(event["event_type"])
    if same_subject:
        need(same_subject() == event["subject_id"], "the payload is about another subject")
    else:
        need(is_id(event["subject_id"]), "subject_id is no UUID")
    if event["event_type"] == "v1.package.imported":
        try:
            value["checked_manifest"] = check_manifest(value["manifest"])
        except LaterVersion:
            return None, 0
    return value, len(set(value) - known - {"checked_manifest"})


# ---------------------------------------------------------------------------------------------------------------
# The views (12), computed a second time.

TABLES = {
    "artifact_files": ("tree", "path"),
    "artifact_packages": ("package",),
    "gc_runs": ("started_sequence",),
    "leftovers": ("digest_primary",),
    "metadata_schemas": ("name", "version"),
    "objects": ("object",),
    "pins": ("name",),
    "retention_classes": ("name",),
    "retention_state": ("package",),
    "storage_locations": ("object", "backend_id"),
    "verify_runs": ("sequence",),
}

COLUMNS = {
    "artifact_files": "tree path kind mode object target mtime mtime_nanos",
    "artifact_packages": "package package_id name version status tree created_at created_by created_sequence"
    " changed_sequence finalized_at finalized_sequence removed_at removed_sequence removed_reason manifest_digest"
    " manifest_size content_digest entries files bytes objects object_bytes backend_id metadata provenance origin"
    " let_go_sequence attests",
    "gc_runs": "started_sequence gc_id plan round rounds reason actor started_at planned_objects planned_bytes"
    " completed_sequence completed_at freed_objects freed_bytes missing_objects failed_objects duration",
    "leftovers": "digest_primary size_bytes purged_sequence",
    "metadata_schemas": "name version schema_digest size_bytes media_type registered_at actor registered_sequence",
    "objects": "object digest_algorithm digest_primary digest_sha256 content_address size_bytes first_sequence"
    " stored_sequence payload_sequence purged_sequence damaged_sequence let_go_sequence",
    "pins": "name package object reason created_at actor added_sequence",
    "retention_classes": "name duration_seconds",
    "retention_state": "package class expires_at hold hold_reason changed_sequence expired_sequence",
    "storage_locations": "object backend_id retrieval_tier restore_status",
    "verify_runs": "sequence verify_id mode actor completed_at head_sequence first_key last_key objects bytes faults",
}
COLUMNS = {table: names.split() for table, names in COLUMNS.items()}

VIEWS_VERSION = 3
DAMAGE = ("missing", "truncated", "altered", "misnamed", "unreadable", "not-a-file")


def attested(metadata):
    """Returns the manifest that a package with this metadata is an attestation about (12.2.2)."""
    word, colon, digits = metadata.get("attests", "").partition(":")
    is_address = word == "blake3" and len(digits) == 64 and set(digits) <= set("0123456789abcdef")
    return bytes.fromhex(digits) if is_address else None


class Unmade(Exception):
    """An event refers to something that no event made (16.3)."""


class Views:
    def __init__(self):
        self.skipped = 0
        self.packages = {}  # number -> row
        self.package_of = {}  # id -> number
        self.trees = {}  # tree -> {path: (kind, mode, object, target, mtime, mtime_nanos)}
        self.objects = {}  # number -> row
        self.object_of = {}  # digest -> number
        self.locations = {}  # (object, backend) -> (tier, status)
        self.classes = {}
        self.retention = {}
        self.pins = {}
        self.gc_runs = {}
        self.verify_runs = {}
        self.leftovers = {}  # digest -> row
        self.schemas = []  # rows, in order of their events
        self.time_of = {}  # sequence -> created_at

    # -- objects (12.3)

    def mention(self, event, primary, sha256, size, backend):
        number = self.object_of.get(primary)
        if number is None:
            number = len(self.objects) + 1
            self.object_of[primary] = number
            self.objects[number] = {
                "object": number,
                "digest_algorithm": "blake3",
                "digest_primary": primary,
                "digest_sha256": sha256,
                "content_address": "blake3:" + primary.hex(),
                "size_bytes": size,
                "first_sequence": event["sequence"],
                "stored_sequence": event["sequence"],
                "payload_sequence": None,
                "purged_sequence": None,
                "damaged_sequence": None,
                "let_go_sequence": None,
            }
            self.locations[number, backend] = ("online", None)
            return self.objects[number]
        row = self.objects[number]
        need(
            (row["digest_sha256"], row["size_bytes"]) == (sha256, size),
            f"{row['content_address']} has another SHA-256 or size than before",
        )
        if row["purged_sequence"] is not None:
            row.update(purged_sequence=None, damaged_sequence=None, stored_sequence=event["sequence"])
            self.locations[number, backend] = ("online", None)
        return row

    def store(self, event, primary, sha256, size, backend):
        row = self.mention(event, primary, sha256, size, backend)
        row.update(stored_sequence=event["sequence"], damaged_sequence=None)
        self.locations[row["object"], backend] = ("online", None)

    def mention_payload(self, event, data):
        row = self.mention(event, blake3(data), hashlib.sha256(data).digest(), len(data), "local")
        if row["payload_sequence"] is None:
            row["payload_sequence"] = event["sequence"]

    # -- packages (12.2)

    def subject(self, event):
        number = self.package_of.get(event["subject_id"])
        if number is None:
            raise Unmade(f"there is no package {event['subject_id']}")
        return self.packages[number]

    def create(self, event, name, version, created_at, created_by, metadata, provenance, retention_class):
        if retention_class not in self.classes:
            raise Unmade(f"there is no retention class {retention_class!r}")
        need(event["subject_id"] not in self.package_of, "the package is there already")
        taken = any((row["name"], row["version"]) == (name, version) for row in self.packages.values())
        need(not taken, f"{name}@{version} is there already")
        number = len(self.packages) + 1
        row = dict.fromkeys(COLUMNS["artifact_packages"])
        row.update(
            package=number,
            package_id=event["subject_id"],
            name=name,
            version=version,
            status="open",
            tree=number,
            created_at=created_at,
            created_by=created_by,
            created_sequence=event["sequence"],
            changed_sequence=event["sequence"],
            entries=0,
            files=0,
            bytes=0,
            objects=0,
            object_bytes=0,
            backend_id="local",
            metadata=encode(metadata),
            provenance=encode(provenance),
            attests=attested(metadata),
        )
        self.packages[number] = row
        self.package_of[event["subject_id"]] = number
        self.trees[number] = {}
        self.retention[number] = {
            "package": number,
            "class": retention_class,
            "expires_at": None,
            "hold": 0,
            "hold_reason": None,
            "changed_sequence": event["sequence"],
            "expired_sequence": None,
        }
        return row

    def file_row(self, event, entry, backend):
        number = None
        if entry["kind"] == "file":
            row = self.mention(event, entry["blake3"], entry["sha256"], entry["size"], backend)
            number = row["object"]
        target = raw_bytes(entry, "target", "a symlink") if entry["kind"] == "symlink" else None
        mtime, nanos = entry.get("mtime", (None, None))
        return entry["kind"], entry.get("mode"), number, target, mtime, nanos

    def let_go(self, event, item):
        if item[0] == "file":
            self.objects[item[2]]["let_go_sequence"] = event["sequence"]

    def recount(self, row):
        tree = self.trees[row["tree"]]
        files = [item[2] for item in tree.values() if item[0] == "file"]
        size = lambda number: self.objects[number]["size_bytes"]  # noqa: E731
        distinct = set(files)
        row.update(
            entries=len(tree),
            files=len(files),
            bytes=sum(map(size, files)),
            objects=len(distinct),
            object_bytes=sum(map(size, distinct)),
        )

    def add_entries(self, event, payload):
        row = self.subject(event)
        need(row["status"] == "open" and row["removed_at"] is None, "the package is not open")
        tree = self.trees[row["tree"]]
        for entry in payload["entries"]:
            path = entry_path(entry)
            new = self.file_row(event, entry, payload["backend_id"])
            old = tree.get(path)
            if old is not None and not payload.get("replace", False):
                need(old == new and new[0] == "directory", f"{path!r} is there already")
            if old is not None and not (old[0] == new[0] == "directory"):
                self.let_go(event, old)
                for beneath in [other for other in tree if other.startswith(path + b"/")]:
                    self.let_go(event, tree.pop(beneath))
            tree[path] = new
        row.update(backend_id=payload["backend_id"], changed_sequence=event["sequence"])
        self.recount(row)

    def finalize(self, event, manifest, data, origin):
        package = manifest["package"]
        summary = manifest["retention_summary"]
        number = self.package_of.get(event["subject_id"])
        if number is None:
            row = self.create(
                event,
                package["name"],
                package["version"],
                package["created_at"],
                package["created_by"],
                package["metadata"],
                manifest["provenance"],
                summary["class"],
            )
        else:
            row = self.packages[number]
            need(origin is None, "an imported package is there already")
            need(row["status"] == "open" and row["removed_at"] is None, "the package is not open")
            need(
                (row["name"], row["version"]) == (package["name"], package["version"]),
                "the manifest has another name or version",
            )
        receipts = manifest["storage_receipts"]
        backend = receipts[0]["backend_id"] if receipts else "local"
        own = {entry_path(entry): self.file_row(event, entry, backend) for entry in manifest["files"]}
        shared = [
            other["tree"] for other in self.packages.values() if other["content_digest"] == manifest["content_digest"]
        ]
        before = self.trees.pop(row["package"])
        if shared:
            need(len(set(shared)) == 1, "packages of one content have several trees")
            row["tree"] = shared[0]
        else:
            self.trees[row["package"]] = own
        still = {item[2] for item in self.trees[row["tree"]].values()}
        for item in before.values():
            if item[2] not in still:
                self.let_go(event, item)
        row.update(
            status="finalized",
            finalized_at=event["created_at"],
            finalized_sequence=event["sequence"],
            changed_sequence=event["sequence"],
            manifest_digest=blake3(data),
            manifest_size=len(data),
            content_digest=manifest["content_digest"],
            backend_id=backend,
            origin=origin,
        )
        self.recount(row)
        state = self.retention[row["package"]]
        if state["expires_at"] is None:
            if summary["duration_seconds"] is not None:
                expires_at = event["created_at"] + 1_000_000 * summary["duration_seconds"]
                state["expires_at"] = min(expires_at, 2**53 - 1)
            state["changed_sequence"] = event["sequence"]

    # -- every event

    def apply(self, event, payload, unknown_keys, data):
        """Applies one event; `payload` is None where it is unknown. Returns whether it was skipped."""
        self.time_of[event["sequence"]] = event["created_at"]
        if len(data) > INLINE_PAYLOAD_MAX or event["event_type"] == "v1.package.finalized":
            self.mention_payload(event, data)
        if payload is not None and event["event_type"] == "v1.package.imported":
            self.mention_payload(event, payload["manifest"])
        if payload is None:
            self.skipped += 1
            return True
        try:
            getattr(self, event["event_type"].replace(".", "_"))(event, payload, data)
        except Unmade as unmade:
            if self.skipped == 0:
                raise Refused(str(unmade)) from unmade
            self.skipped += 1
            return True
        self.skipped += unknown_keys
        return False

    def v1_store_created(self, event, payload, _data):
        need(event["sequence"] == 1, "only event 1 creates the store")
        for item in payload["retention_classes"]:
            self.classes[item["name"]] = item["duration_seconds"]

    def v1_package_created(self, event, payload, _data):
        self.create(
            event,
            payload["name"],
            payload["version"],
            event["created_at"],
            event["actor"],
            payload["metadata"],
            payload["provenance"],
            payload["retention_class"],
        )

    def v1_objects_stored(self, event, payload, _data):
        for primary, sha256, size in payload["objects"]:
            self.store(event, primary, sha256, size, payload["backend_id"])

    def v1_package_entries_added(self, event, payload, _data):
        self.add_entries(event, payload)

    def v1_package_finalized(self, event, manifest, data):
        self.finalize(event, manifest, data, None)

    def v1_package_imported(self, event, payload, _data):
        self.finalize(event, payload["checked_manifest"], payload["manifest"], payload["origin"])

    def v1_package_removed(self, event, payload, _data):
        row = self.subject(event)
        need(row["removed_at"] is None, "the package is removed already")
        row.update(
            removed_at=event["created_at"],
            removed_sequence=event["sequence"],
            removed_reason=payload["reason"],
            changed_sequence=event["sequence"],
        )

    def v1_package_restored(self, event, _payload, _data):
        row = self.subject(event)
        need(row["removed_at"] is not None, "the package is not removed")
        row.update(removed_at=None, removed_sequence=None, removed_reason=None, changed_sequence=event["sequence"])

    def v1_retention_changed(self, event, payload, _data):
        row = self.subject(event)
        state = self.retention[row["package"]]
        if payload.get("class", state["class"]) not in self.classes:
            raise Unmade(f"there is no retention class {payload['class']!r}")
        for key in ("class", "expires_at"):
            if key in payload:
                state[key] = payload[key]
        if "expires_at" in payload:
            state["expired_sequence"] = None
        if "hold" in payload:
            state["hold"] = int(payload["hold"])
            state["hold_reason"] = payload["reason"] if payload["hold"] else None
        state["changed_sequence"] = row["changed_sequence"] = event["sequence"]

    def v1_schema_registered(self, event, payload, _data):
        known = max((row[1] for row in self.schemas if row[0] == payload["name"]), default=0)
        need(payload["version"] > known, "the schema's version is there already")
        if payload["version"] != known + 1:
            raise Unmade("the schema's version before is not there")
        document = payload["document"]
        self.schemas.append(
            (
                payload["name"],
                payload["version"],
                blake3(document),
                len(document),
                payload["media_type"],
                event["created_at"],
                event["actor"],
                event["sequence"],
            )
        )

    def v1_pin_added(self, event, payload, _data):
        need(payload["name"] not in self.pins, "the pin is there already")
        target = payload["target"]
        package = self.package_of.get(target.get("package"))
        number = self.object_of.get(target.get("object"))
        if package is None and number is None:
            raise Unmade("the pin's target is not there")
        self.pins[payload["name"]] = {
            "name": payload["name"],
            "package": package,
            "object": number,
            "reason": payload.get("reason"),
            "created_at": event["created_at"],
            "actor": event["actor"],
            "added_sequence": event["sequence"],
        }

    def v1_pin_removed(self, event, payload, _data):
        pin = self.pins.pop(payload["name"], None)
        if pin is None:
            raise Unmade("there is no such pin")
        row = self.objects[pin["object"]] if pin["package"] is None else self.packages[pin["package"]]
        row["let_go_sequence"] = event["sequence"]

    def v1_gc_started(self, event, payload, _data):
        if any(package not in self.package_of for package in payload["packages"]) or any(
            item["address"] not in self.object_of and item["why"] != "unrecorded" for item in payload["objects"]
        ):
            raise Unmade("a package or a purged object was never named")
        for package in payload["packages"]:
            self.retention[self.package_of[package]]["expired_sequence"] = event["sequence"]
        for item in payload["objects"]:
            number = self.object_of.get(item["address"])
            if number is None:
                self.leftovers[item["address"]] = {
                    "digest_primary": item["address"],
                    "size_bytes": item["size"],
                    "purged_sequence": event["sequence"],
                }
                continue
            row = self.objects[number]
            row.update(purged_sequence=event["sequence"], damaged_sequence=None)
            for key in [key for key in self.locations if key[0] == row["object"]]:
                del self.locations[key]
        row = dict.fromkeys(COLUMNS["gc_runs"])
        row.update(
            started_sequence=event["sequence"],
            gc_id=event["subject_id"],
            plan=payload["plan"],
            round=payload["round"],
            rounds=payload["rounds"],
            reason=payload.get("reason"),
            actor=event["actor"],
            started_at=event["created_at"],
            planned_objects=len(payload["objects"]),
            planned_bytes=sum(item["size"] for item in payload["objects"]),
        )
        self.gc_runs[event["sequence"]] = row

    def v1_gc_completed(self, event, payload, _data):
        row = self.gc_runs.get(payload["started"])
        if row is None:
            raise Unmade(f"no gc started with event {payload['started']}")
        need(row["completed_sequence"] is None, "the gc is completed already")
        row.update(
            completed_sequence=event["sequence"],
            completed_at=event["created_at"],
            freed_objects=payload["objects"],
            freed_bytes=payload["bytes"],
            missing_objects=len(payload["missing"]),
            failed_objects=len(payload["failed"]),
            duration=payload["duration"],
        )

    def v1_object_healed(self, event, payload, _data):
        if payload["address"] not in self.object_of:
            raise Unmade("the healed object was never named")
        self.store(event, payload["address"], payload["sha256"], payload["size"], payload["backend_id"])

    def v1_verify_completed(self, event, payload, _data):
        for fault in payload["faults"]:
            number = self.object_of.get(fault.get("address"))
            if fault["kind"] in DAMAGE and number is not None:
                row = self.objects[number]
                if row["purged_sequence"] is None and row["stored_sequence"] <= payload["head"]:
                    row["damaged_sequence"] = event["sequence"]
        self.verify_runs[event["sequence"]] = {
            "sequence": event["sequence"],
            "verify_id": event["subject_id"],
            "mode": payload["mode"],
            "actor": event["actor"],
            "completed_at": event["created_at"],
            "head_sequence": payload["head"],
            "first_key": payload.get("first"),
            "last_key": payload.get("last"),
            "objects": payload["objects"],
            "bytes": payload["bytes"],
            "faults": len(payload["faults"]),
        }

    def rows(self, table):
        """Returns the rows of a table, in order of its primary key, as tuples."""
        if table == "artifact_files":
            return [
                (tree, path, kind, mode, number, target, mtime, nanos)
                for tree in sorted(self.trees)
                for path, (kind, mode, number, target, mtime, nanos) in sorted(self.trees[tree].items())
            ]
        if table == "storage_locations":
            ordered = sorted(self.locations.items(), key=lambda item: (item[0][0], item[0][1].encode()))
            return [(*key, *value) for key, value in ordered]
        if table == "retention_classes":
            return sorted(self.classes.items(), key=lambda item: item[0].encode())
        if table == "metadata_schemas":
            ordered = sorted(self.schemas, key=lambda row: (row[0].encode(), row[1]))
            return ordered
        rows = {
            "artifact_packages": self.packages,
            "gc_runs": self.gc_runs,
            "leftovers": self.leftovers,
            "objects": self.objects,
            "pins": self.pins,
            "retention_state": self.retention,
            "verify_runs": self.verify_runs,
        }[table]
        by_key = sorted(rows, key=lambda key: key.encode() if isinstance(key, str) else key)
        return [tuple(rows[key][column] for column in COLUMNS[table]) for key in by_key]


def view_digest(rows_of):
    """The view digest (13.1) of tables that `rows_of` returns: columns and rows."""
    hasher = blake3_hasher()
    hasher.update(head(4, 1 + len(TABLES)) + encode(VIEWS_VERSION))
    for table in sorted(TABLES):
        columns, rows = rows_of(table)
        hasher.update(head(4, 3) + encode(table) + encode(columns) + head(4, len(rows)))
        for row in rows:
            hasher.update(encode(row))
    return hasher.digest()


# ---------------------------------------------------------------------------------------------------------------
# Plans (18): what a gc may take.

REASONS = ("removed", "expired", "stored", "unrecorded")  # of several the first counts


def is_expired(views, package, instant):
    """Whether a package that may expire has (18.3)."""
    state = views.retention[package["package"]]
    if package["status"] != "finalized":
        return False
    if state["expired_sequence"] is not None:
        return True
    return state["expires_at"] is not None and state["expires_at"] <= instant


def candidates(views, leftovers, instant, min_age):
    """Returns what may go, {digest: (size, reason)}, and how many objects only pins and holds, or their age, keep.

    `leftovers` are the files under blake3/ that are in place, {digest: (size, ctime)}.
    """
    wanted, kept = set(), set()
    reason_of, last = {}, {}  # by object number
    pinned = {pin["package"] for pin in views.pins.values()}
    for package in views.packages.values():
        of_package = {item[2] for item in views.trees[package["tree"]].values() if item[0] == "file"}
        event = max(package["changed_sequence"], package["let_go_sequence"] or 0)
        for number in of_package:
            last[number] = max(last.get(number, 0), event)
        removed, expired = package["removed_at"] is not None, is_expired(views, package, instant)
        if not removed and not expired:
            wanted |= of_package
        elif package["package"] in pinned or views.retention[package["package"]]["hold"]:
            kept |= of_package
        else:
            reason = 0 if removed else 1
            for number in of_package:
                reason_of[number] = min(reason_of.get(number, reason), reason)
    kept |= {pin["object"] for pin in views.pins.values()}
    old = lambda since: since + 1_000_000 * min_age <= instant  # noqa: E731
    result, held, young = {}, 0, 0
    for number, row in views.objects.items():
        if row["purged_sequence"] is not None or row["payload_sequence"] is not None or number in wanted:
            continue
        event = max(row["stored_sequence"], row["let_go_sequence"] or 0, last.get(number, 0))
        if number in kept:
            held += 1
        elif old(views.time_of[event]):
            result[row["digest_primary"]] = (row["size_bytes"], REASONS[reason_of.get(number, 2)])
        else:
            young += 1
    named = {digest[:8] for digest in (*views.object_of, *views.leftovers)}
    for digest, (size, changed) in leftovers.items():
        if digest[:8] in named:
            continue
        if old(changed):
            result[digest] = (size, REASONS[3])
        else:
            young += 1
    return result, held, young


def plan_name(store_id, instant, min_age, objects):
    """The name of a plan (18.1, 18.2) of `objects`, {digest: (size, reason)}."""
    listed = [[digest, *objects[digest]] for digest in sorted(objects)]
    digest = blake3(encode([1, uuid.UUID(store_id).bytes, min_age, listed]))
    return f"{instant}-{min_age}-{digest.hex()}"


# ---------------------------------------------------------------------------------------------------------------
# The store.

EVENT_COLUMNS = (
    "sequence created_at event_type subject_kind subject_id actor payload payload_digest previous_digest digest".split()
)
RECORD_FIELDS = "sequence created_at event_type subject_kind subject_id actor payload_digest previous_digest".split()


class CannotLook(Exception):
    """The store cannot be looked at."""


class NoStore(Exception):
    """There is no store there."""


def object_path(root, digest):
    hexadecimal = digest.hex()
    return os.path.join(root, "blake3", hexadecimal[:2], hexadecimal[2:4], hexadecimal)


class Checker:
    def __init__(self, root, read_objects):
        self.root = root
        self.read_objects = read_objects
        self.faults = []
        self.notes = []
        self.summary = {"schema": "astore-reader/v1", "blake3": "package" if _fast_blake3 else "own"}

    def fault(self, kind, subject, detail):
        self.faults.append({"kind": kind, "subject": str(subject), "detail": str(detail)})

    def note(self, text):
        if text not in self.notes:
            self.notes.append(text)

    # -- astore.toml (2.2)

    def read_config(self):
        try:
            with open(os.path.join(self.root, "astore.toml"), encoding="utf-8") as file:
                text = file.read()
        except FileNotFoundError as error:
            raise NoStore(f"no astore.toml under {self.root}") from error
        config = {}
        for line in text.splitlines():
            if line.lstrip().startswith("["):
                break  # tables come after the top level's own keys
            match = re.match(r"\s*([A-Za-z0-9_-]+)\s*=\s*(?:\"([^\"\\]*)\"|([0-9]+))\s*(?:#.*)?\Z", line)
            if match:
                config[match[1]] = match[2] if match[2] is not None else int(match[3])
        if config.get("format") != 1:
            raise NoStore(f"format {config.get('format')!r} is not 1")
        if not is_id(config.get("store_id")):
            self.fault("root", "astore.toml", "store_id is no UUID")
        if not re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|\+00:00)\Z", str(config.get("created_at"))):
            self.fault("root", "astore.toml", "created_at is no RFC 3339 instant in UTC")
        self.summary["store_id"] = config.get("store_id")

    # -- astore.db (11), from a copy

    def open_database(self, scratch):
        names = [name for name in ("astore.db", "astore.db-wal") if os.path.exists(os.path.join(self.root, name))]
        if "astore.db" not in names:
            raise CannotLook("there is no astore.db; --from-log reads log/ alone")
        look = lambda: [  # noqa: E731
            (s.st_size, s.st_mtime_ns, s.st_ino) for s in (os.stat(os.path.join(self.root, name)) for name in names)
        ]
        for _ in range(5):
            before = look()
            for name in names:
                shutil.copyfile(os.path.join(self.root, name), os.path.join(scratch, name))
            if look() == before:
                break
        else:
            raise CannotLook("the database kept changing while it was copied")
        database = sqlite3.connect(os.path.join(scratch, "astore.db"))
        for pragma, expected in (("application_id", 0x61737472), ("user_version", 1)):
            found = database.execute(f"PRAGMA {pragma}").fetchone()[0]
            if found != expected:
                raise CannotLook(f"{pragma} is {found}, not {expected}")
        for (line,) in database.execute("PRAGMA integrity_check"):
            if line != "ok":
                self.fault("database", "astore.db", line)
        return database

    def database_events(self, database):
        columns = ", ".join(EVENT_COLUMNS)
        for row in database.execute(f"SELECT {columns} FROM events ORDER BY sequence"):
            yield dict(zip(EVENT_COLUMNS, row))

    # -- log/ (6)

    def log_items(self, torn_is_fault=False):
        """Yields the items of log/: lists of events. Stops at damage, which is reported."""
        directory = os.path.join(self.root, "log")
        names = sorted(os.listdir(directory)) if os.path.isdir(directory) else []
        expected = 1
        files = []
        for name in names:
            if re.match(r"[0-9]{20}\.cborseq\Z", name):
                files.append(name)
            else:
                self.fault("foreign", f"log/{name}", "no name of a log file")
        for position, name in enumerate(files):
            is_last = position == len(files) - 1
            if int(name[:20]) != expected:
                self.fault("log", f"log/{name}", f"event {expected} should begin a file here")
                return
            with open(os.path.join(directory, name), "rb") as file:
                data = file.read()
            offset, last_digest = 0, None
            while offset < len(data):
                decoder = Decoder(data, offset)
                try:
                    item = decoder.value()
                    events = [self.log_event(item_event) for item_event in item]
                    need(events, "an item without events")
                except (NotCanonical, Refused, TypeError) as error:
                    torn = isinstance(error, NotCanonical) and error.torn and is_last
                    if torn and not torn_is_fault:
                        self.note(f"log/{name} ends with {len(data) - offset} bytes of an append that was cut short")
                    else:
                        self.fault("log", f"log/{name}", f"at byte {offset}, event {expected}: {error}")
                    return
                for event in events:
                    if event["sequence"] != expected:
                        self.fault("log", f"log/{name}", f"event {event['sequence']} stands where {expected} should")
                        return
                    expected += 1
                offset = decoder.at
                last_digest = events[-1]["digest"]
                yield events
            if last_digest is not None and data[-32:] != last_digest:
                self.fault("log", f"log/{name}", "its last 32 bytes are not the last event's digest")
            mode = stat.S_IMODE(os.stat(os.path.join(directory, name)).st_mode)
            if not is_last and mode & 0o222:
                self.note(f"log/{name} is closed and can be written")

    def log_event(self, parts):
        need(isinstance(parts, list) and len(parts) == 3, "an event is an array of three")
        record, payload, digest = parts
        need(isinstance(record, bytes) and is_digest(digest), "an event is record, payload, digest")
        need(payload is None or isinstance(payload, bytes), "a payload is bytes or null")
        fields = decode(record)
        need(isinstance(fields, list) and len(fields) == 9 and fields[0] == 1, "a record is an array of nine, the first 1")
        event = dict(zip(RECORD_FIELDS, fields[1:]))
        need(is_uint(event["sequence"]) and event["sequence"] > 0, "a record's sequence")
        need(is_int(event["created_at"]), "a record's created_at")
        for name in ("event_type", "subject_kind", "subject_id", "actor"):
            need(is_text(event[name]), f"a record's {name}")
        need(is_digest(event["payload_digest"]) and is_digest(event["previous_digest"]), "a record's digests")
        need(blake3(record) == digest, "the digest is not that of the record")
        need(payload is None or blake3(payload) == event["payload_digest"], "the payload is not that of the record")
        return {**event, "payload": payload, "digest": digest}

    def compare_logs(self, database):
        """Compares log/ with the table, event by event (6.7)."""
        ours = self.database_events(database)
        compared = ahead = 0
        for events in self.log_items():
            for event in events:
                known = next(ours, None)
                if known is None:
                    ahead += 1
                elif event != {name: known[name] for name in event}:
                    self.fault("log", f"event {event['sequence']}", "log/ and the database differ")
                    return
                else:
                    compared += 1
        behind = sum(1 for _ in ours)
        if ahead:
            self.note(f"log/ is ahead by {ahead} events")
        if behind and not any(fault["kind"] == "log" for fault in self.faults):
            self.fault("log", "log/", f"the last {behind} events of the database are not in it")
        self.summary["log_events"] = compared + ahead

    # -- the chain (5) and the views (12)

    def load_payload(self, event):
        if event["payload"] is not None:
            need(len(event["payload"]) <= INLINE_PAYLOAD_MAX, "the payload is longer than 65,536 bytes and inline")
            return event["payload"]
        try:
            with open(object_path(self.root, event["payload_digest"]), "rb") as file:
                data = file.read()
        except OSError as error:
            raise Refused(f"its payload object cannot be read: {error.strerror}") from error
        need(len(data) > INLINE_PAYLOAD_MAX, "its payload is an object and not longer than 65,536 bytes")
        return data

    def walk(self, events):
        """Checks the chain and computes the views; returns them, or None where they cannot be."""
        views, previous, sequence = Views(), bytes(32), 0
        head_digest = None
        for event in events:
            subject = f"event {event['sequence']}"
            if event["sequence"] != sequence + 1:
                self.fault("chain", subject, f"event {sequence + 1} should stand here")
            sequence = event["sequence"]
            if event["previous_digest"] != previous:
                self.fault("chain", subject, "it does not continue the event before")
            record = encode([1, *(event[name] for name in RECORD_FIELDS)])
            if blake3(record) != event["digest"]:
                self.fault("chain", subject, "its digest is not that of its record")
            previous = head_digest = event["digest"]
            try:
                data = self.load_payload(event)
                if blake3(data) != event["payload_digest"]:
                    self.fault("chain", subject, "its payload does not hash to payload_digest")
                    views = None
                    continue
                payload, unknown_keys = check_payload(event, data)
                if sequence == 1:
                    need(event["event_type"] == "v1.store.created", "event 1 is no v1.store.created")
                    need(event["subject_id"] == self.summary["store_id"], "the store has another id in astore.toml")
            except (Refused, NotCanonical) as error:
                self.fault("views", subject, error)
                views = None
                continue
            if views is None:
                continue
            try:
                if views.apply(event, payload, unknown_keys, data):
                    self.note(f"{event['event_type']} is unknown, or refers to what is; skipped")
            except Refused as error:
                self.fault("views", subject, error)
                views = None
        self.summary.update(events=sequence, head=f"{sequence}:{head_digest.hex()}" if head_digest else None)
        return views

    def compare_views(self, database, views):
        """Compares the tables row by row with views computed here (12.1), and their digests (13)."""
        computed = views and {table: (COLUMNS[table], views.rows(table)) for table in TABLES}
        if computed:
            self.summary["view_digest_computed"] = view_digest(computed.get).hex()
            self.summary["skipped"] = views.skipped
        booked = dict(database.execute("SELECT name, value FROM bookkeeping"))
        if booked.get("views_version", VIEWS_VERSION) != VIEWS_VERSION:
            self.note(f"the views are of version {booked['views_version']}: not compared")
            return
        stored = {}
        for table, key in TABLES.items():
            try:
                cursor = database.execute(f"SELECT * FROM {table} ORDER BY {', '.join(key)}")
            except sqlite3.Error as error:
                self.fault("views", table, error)
                return
            columns = [column[0] for column in cursor.description]
            if columns != COLUMNS[table]:
                self.fault("views", table, f"its columns are {columns}")
            stored[table] = (columns, cursor.fetchall())
        self.summary["view_digest"] = view_digest(stored.get).hex()
        if not computed:
            return
        for table in TABLES:
            here, there = computed[table][1], stored[table][1]
            for number, (mine, theirs) in enumerate(zip(here, there)):
                if tuple(mine) != tuple(theirs):
                    differing = [
                        f"{column}: {a!r} in the database, {b!r} computed"
                        for column, a, b in zip(COLUMNS[table], theirs, mine)
                        if a != b
                    ]
                    self.fault("views", table, f"row {number + 1}: {'; '.join(differing)}")
                    break
            if len(here) != len(there):
                self.fault("views", table, f"{len(there)} rows in the database, {len(here)} computed")
        if not any(fault["kind"] == "views" for fault in self.faults):
            need(self.summary["view_digest"] == self.summary["view_digest_computed"], "equal rows, other digests")

    # -- manifests (9) and objects (4)

    def check_manifests(self, views):
        count = 0
        for row in views.packages.values():
            if row["manifest_digest"] is None:
                continue
            subject = f"manifest of {row['name']}@{row['version']}"
            try:
                with open(object_path(self.root, row["manifest_digest"]), "rb") as file:
                    data = file.read()
                need(blake3(data) == row["manifest_digest"], "its bytes are not those of its digest")
                manifest = check_manifest(data)
                need(manifest["content_digest"] == row["content_digest"], "another content digest than the view's")
                need(json.loads(jcs(manifest))["content_digest"] == row["content_digest"].hex(), "its JSON projection")
                entries = {entry_path(entry) for entry in manifest["files"]}
                need(entries == set(views.trees[row["tree"]]), "other paths than the view's")
                count += 1
            except OSError as error:
                self.fault("missing", subject, error.strerror)
            except (Refused, NotCanonical) as error:
                self.fault("altered", subject, error)
        self.summary["manifests"] = count

    def check_objects(self, views):
        count = size_read = 0
        present = {}
        for row in views.objects.values():
            if row["purged_sequence"] is None:
                present[row["digest_primary"]] = row
        for _, row in sorted(present.items()):
            count += 1
            size_read += self.check_object(row, views.object_of)
        self.list_objects(present, views.object_of)
        self.summary.update(objects=count, bytes_read=size_read)

    def check_object(self, row, known):
        path, address = object_path(self.root, row["digest_primary"]), row["content_address"]
        try:
            status = os.lstat(path)
        except FileNotFoundError:
            self.fault("missing", address, "no file under its name")
            return 0
        except OSError as error:
            self.fault("unreadable", address, error.strerror)
            return 0
        if not stat.S_ISREG(status.st_mode):
            self.fault("not-a-file", address, "no regular file")
            return 0
        if stat.S_IMODE(status.st_mode) != 0o444:
            self.fault("wrong-mode", address, f"{stat.S_IMODE(status.st_mode):04o}")
        if status.st_size != row["size_bytes"]:
            kind = "truncated" if status.st_size < row["size_bytes"] else "altered"
            self.fault(kind, address, f"{status.st_size} bytes, not {row['size_bytes']}")
            return 0
        if not self.read_objects:
            return 0
        primary, sha256 = blake3_hasher(), hashlib.sha256()
        with_primary = _fast_blake3 is not None or status.st_size <= SLOW_BLAKE3_MAX
        if not with_primary:
            self.note("without the package blake3, objects over 1 MiB are checked by their SHA-256 alone")
        try:
            with open(path, "rb") as file:
                while chunk := file.read(1 << 20):
                    sha256.update(chunk)
                    if with_primary:
                        primary.update(chunk)
        except OSError as error:
            self.fault("unreadable", address, error.strerror)
            return 0
        if with_primary and primary.digest() != row["digest_primary"]:
            kind = "misnamed" if primary.digest() in known else "altered"
            self.fault(kind, address, f"its bytes are those of blake3:{primary.digest().hex()}")
        elif sha256.digest() != row["digest_sha256"]:
            kind = "second-digest" if with_primary else "altered"
            self.fault(kind, address, f"its bytes have the SHA-256 {sha256.hexdigest()}")
        return status.st_size

    def list_objects(self, present, known):
        """Looks for files under blake3/ that no row accounts for (4.1, 4.4)."""
        top = os.path.join(self.root, "blake3")
        if not os.path.isdir(top):
            return
        unrecorded = 0
        for directory, directories, files in os.walk(top):
            place = os.path.relpath(directory, top)
            parts = [] if place == "." else place.split(os.sep)
            for name in directories:
                if not re.match(r"[0-9a-f]{2}\Z", name) or len(parts) >= 2:
                    self.fault("foreign", f"blake3/{os.path.join(place, name)}", "no directory of objects")
            for name in files:
                where = os.path.join("blake3", place, name)
                if not (re.match(r"[0-9a-f]{64}\Z", name) and parts == [name[:2], name[2:4]]):
                    self.fault("foreign", where, "no name of an object, or not in its place")
                elif bytes.fromhex(name) not in present:
                    unrecorded += 1
                    self.check_unrecorded(os.path.join(self.root, where), where, name, known)
        if unrecorded:
            self.note(f"{unrecorded} unrecorded files under blake3/")

    def check_unrecorded(self, path, where, name, known):
        status = os.lstat(path)
        if not stat.S_ISREG(status.st_mode):
            self.fault("foreign", where, "no regular file")
        elif self.read_objects and (_fast_blake3 or status.st_size <= SLOW_BLAKE3_MAX):
            hasher = blake3_hasher()
            with open(path, "rb") as file:
                while chunk := file.read(1 << 20):
                    hasher.update(chunk)
            if hasher.digest().hex() != name:
                kind = "misnamed" if hasher.digest() in known else "foreign"
                self.fault(kind, where, f"its bytes are those of blake3:{hasher.digest().hex()}")

    # -- plans (18)

    def files_in_place(self):
        """Returns every regular file under blake3/ that is named and placed as 4.1 says: {digest: (size, ctime)}."""
        top, found = os.path.join(self.root, "blake3"), {}
        for directory, _, files in os.walk(top):
            for name in files:
                if not re.match(r"[0-9a-f]{64}\Z", name):
                    continue
                path = os.path.join(directory, name)
                status = os.lstat(path)
                if path == object_path(self.root, bytes.fromhex(name)) and stat.S_ISREG(status.st_mode):
                    found[bytes.fromhex(name)] = (status.st_size, status.st_ctime_ns // 1000)
        return found

    def plan(self, asked, from_log):
        self.read_config()
        with tempfile.TemporaryDirectory(prefix="astore-reader-") as scratch:
            if from_log:
                views = self.walk(event for events in self.log_items() for event in events)
            else:
                database = self.open_database(scratch)
                try:
                    views = self.walk(self.database_events(database))
                finally:
                    database.close()
        self.summary.update(faults=self.faults, notes=self.notes)
        if views is None or self.faults or views.skipped:
            raise CannotLook(f"the log is damaged, or says what this reader does not know: {self.faults[:3]}")
        leftovers = self.files_in_place()
        self.summary["plans"] = [self.plan_at(views, leftovers, instant, min_age) for instant, min_age in asked]
        return 0

    def plan_at(self, views, leftovers, instant, min_age):
        objects, kept, young = candidates(views, leftovers, instant, min_age)
        return {
            "plan": plan_name(self.summary["store_id"], instant, min_age, objects),
            "objects": [
                {"address": "blake3:" + digest.hex(), "size": size, "reason": reason}
                for digest, (size, reason) in sorted(objects.items())
            ],
            "bytes": sum(size for size, _ in objects.values()),
            "kept": kept,
            "young": young,
        }

    # -- all of it

    def run(self, from_log):
        self.read_config()
        with tempfile.TemporaryDirectory(prefix="astore-reader-") as scratch:
            if from_log:
                views = self.walk(event for events in self.log_items() for event in events)
                if views is not None:
                    computed = {table: (COLUMNS[table], views.rows(table)) for table in TABLES}
                    self.summary["view_digest_computed"] = view_digest(computed.get).hex()
            else:
                database = self.open_database(scratch)
                try:
                    self.compare_logs(database)
                    views = self.walk(self.database_events(database))
                    self.compare_views(database, views)
                finally:
                    database.close()
        if views is not None:
            self.check_manifests(views)
            self.check_objects(views)
        self.summary.update(faults=self.faults, notes=self.notes, ok=not self.faults)
        return 4 if self.faults else 0


# ---------------------------------------------------------------------------------------------------------------


def self_test():
    """Checks the parts that nothing else would check, and says what fails."""
    known = {
        0: "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262",
        1: "2d3adedff11b61f14c886e35afa036736dcd87a74d27b5c1510225d0f592e213",
        64: "4eed7141ea4a5cd4b788606bd23f46e212af9cacebacdc7d1f4c6dc7f2511b98",
        65: "de1e5fa0be70df6d2be8fffd0e99ceaa8eb6e8c93a63f2d8d1c30ecb6b263dee",
        1023: "10108970eeda3eb932baac1428c7a2163b0e924c9a9e25b35bba72b28f70bd11",
        1024: "42214739f095a406f3fc83deb889744ac00df831c10daa55189b5d121c855af7",
        1025: "d00278ae47eb27b34faecf67b4fe263f82d5412916c1ffd97c8cb7fb814b8444",
        2048: "e776b6028c7cd22a4d0ba182a8bf62205d2ef576467e838ed6f2529b85fba24a",
        2049: "5f4d72f40d7a5f82b15ca2b2e44b1de3c2ef86c426c95c1af0b6879522563030",
        3073: "7124b49501012f81cc7f11ca069ec9226cecb8a2c850cfe644e327d22d3e1cd3",
        5121: "628bd2cb2004694adaab7bbd778a25df25c47b9d4155a55f8fbd79f2fe154cff",
        31744: "62b6960e1a44bcc1eb1a611a8d6235b6b4b78f32e7abc4fb4c6cdcce94895c47",
    }
    for length, expected in known.items():
        data = bytes(i % 251 for i in range(length))
        whole, parts = SlowBlake3(), SlowBlake3()
        whole.update(data)
        for start in range(0, length, 777):
            parts.update(data[start : start + 777])
        assert whole.digest().hex() == parts.digest().hex() == expected, f"BLAKE3 of {length} bytes"
        assert _fast_blake3 is None or blake3(data).hex() == expected, f"the package's BLAKE3 of {length} bytes"
    value = {"a": [0, 23, 24, 255, 256, -1, 2**53 - 1, 1 - 2**53, None, True, b"\0"], "bb": {}, "ä": "ä"}
    assert decode(encode(value)) == value
    refused = (
        "1817", "190001", "1a0000ffff", "1b00000000ffffffff", "1b0020000000000000", "3b001fffffffffffff",
        "9fff", "bfff", "5fff", "f97e00", "fb0000000000000000", "c000", "f7", "f820", "a2616201616101",
        "a2616101616102", "a10100", "61ff", "0000", "82", "4101ff", "81" * 17 + "00", "",
    )  # fmt: skip
    for text in refused:
        try:
            decode(bytes.fromhex(text))
        except NotCanonical:
            continue
        raise AssertionError(f"{text} was taken for canonical")
    assert decode(bytes.fromhex("81" * 16 + "00"))
    assert jcs({"é": 1, "\U0001f600": 2, "\ufb33": 3, "a": "\x0f\n\"\\/€"}) == (
        '{"a":"\\u000f\\n\\"\\\\/€","é":1,"\U0001f600":2,"\ufb33":3}'
    )
    store = "00112233-4455-4677-8899-aabbccddeeff"
    name = lambda text: blake3(text.encode())  # noqa: E731
    four = {name(reason): (size, reason) for reason, size in zip(REASONS, (0, 23, 24, 2**53 - 1))}
    many = {name(str(n)): (n * n, REASONS[n % 4]) for n in range(3000)}
    for instant, min_age, objects, expected in (
        (0, 0, {}, "c136dcdbe393e85e276689434761a5d1fff6b3d1b6411910a2f650134decd643"),
        (1_700_000_000_000_000, 86_400, four, "e51c23602dc9f9fffac6a315cda7237b0f3c6acdaae1dfe5bada42a9a4e39aa8"),
        (2**53 - 1, 2**53 - 1, many, "530c4db5eda299443d1cb4fedf2db169fbc0a97bbc3931ac7e38e79d85e8aa46"),
    ):
        plan = plan_name(store, instant, min_age, objects)
        assert plan == f"{instant}-{min_age}-{expected}", plan
    assert str(uuid.UUID(int=0)) and is_id(str(uuid.UUID(int=0))) and not is_id("0" * 36)


def check_golden(directory):
    """Checks that each golden manifest is one, with its JSON projection and digest, and that each refused one is not."""
    wrong, accepted, refused = [], 0, 0
    for name in sorted(os.listdir(directory)):
        if name.endswith(".cbor"):
            stem = os.path.join(directory, name[: -len(".cbor")])
            with open(stem + ".cbor", "rb") as a, open(stem + ".jcs", "rb") as b, open(stem + ".digest") as c:
                data, projection, digest = a.read(), b.read(), c.read().strip()
            try:
                manifest = check_manifest(data)
                need(encode(manifest) == data, "encoded again, it is another")
                need(jcs(manifest).encode() == projection.rstrip(b"\n"), "its JSON projection is another")
                need(blake3(data).hex() == digest, "its digest is another")
                accepted += 1
            except (NotCanonical, Refused, LaterVersion) as error:
                wrong.append(f"{name}: {error}")
    for name in sorted(os.listdir(os.path.join(directory, "refused"))):
        if name.endswith(".cbor"):
            with open(os.path.join(directory, "refused", name), "rb") as file:
                data = file.read()
            try:
                check_manifest(data)
                wrong.append(f"refused/{name} was taken for a manifest")
            except (NotCanonical, Refused, LaterVersion):
                refused += 1
    print(json.dumps({"schema": "astore-reader/v1", "accepted": accepted, "refused": refused, "wrong": wrong}, indent=2))
    return 4 if wrong else 0


def print_plan(arguments):
    from_log = "--from-log" in arguments
    arguments = [argument for argument in arguments if argument != "--from-log"]
    decimal = re.compile(r"(0|[1-9][0-9]*)\Z")
    numbers = [int(number) if decimal.match(number) else INT_MAX + 1 for number in arguments[1:]]
    if not numbers or len(numbers) % 2 or max(numbers) > INT_MAX:
        print(__doc__, file=sys.stderr)
        return 2
    asked = list(zip(numbers[::2], numbers[1::2]))
    return look(arguments[0], False, lambda checker: checker.plan(asked, from_log))


def look(root, read_objects, at):
    sys.setrecursionlimit(10_000)
    checker = Checker(root, read_objects)
    try:
        code = at(checker)
    except NoStore as error:
        print(f"astore_reader: {error}", file=sys.stderr)
        return 8
    except (CannotLook, OSError, sqlite3.Error) as error:
        print(f"astore_reader: {error}", file=sys.stderr)
        return 1
    print(json.dumps(checker.summary, indent=2))
    return code


def main(arguments):
    if arguments == ["--self-test"]:
        self_test()
        print(json.dumps({"schema": "astore-reader/v1", "self_test": "passed"}))
        return 0
    if len(arguments) == 2 and arguments[0] == "--manifests":
        return check_golden(arguments[1])
    if arguments[:1] == ["plan"]:
        return print_plan(arguments[1:])
    options = {argument for argument in arguments if argument.startswith("--")}
    roots = [argument for argument in arguments if not argument.startswith("--")]
    if len(roots) != 1 or options - {"--no-objects", "--from-log"}:
        print(__doc__, file=sys.stderr)
        return 2
    return look(roots[0], "--no-objects" not in options, lambda checker: checker.run("--from-log" in options))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
