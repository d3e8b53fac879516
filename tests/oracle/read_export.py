#!/usr/bin/env python3
"""Dumps a Firestore managed export as JSON lines, without any of counterfoil's own code.

    read_export.py DIR [DIR ...]

One line a document: {"path": "users/u1", "key": [["users", {"name": "u1"}]], "fields": {...}}. A numeric id 7 stands
in `path` as `__id7__`, the way Firestore shows it, and in `key` as {"id": "7"}.

Each value is an object with one member that names its type, so that nothing is lost on the way:

    {"null": null}  {"bool": true}  {"int": "-7"}  {"double": "3ff0000000000000"}   (the 64 bits, big-endian hex)
    {"string": "é"}  {"bytes": "AAE="}   (base64)  {"timestamp_us": "1621837843108000"}
    {"geopoint": ["4042e3...", "405e9a..."]}   (latitude and longitude, bits as for double)
    {"reference": "actors/o6", "app": "dev~x", "namespace": "", "database": ""}
    {"map": {"k": ...}}  {"array": [...]}

The framing is read by `leveldb-export`, the records by the EntityProto descriptor of `appengine-python-standard`.
Only their lowest layers are used. The layer above (`parse_leveldb_documents`) is no oracle: inside a map it turns
empty strings, geopoints and references into null, timestamps into integers and bytes into broken text, and it skips
the CRC. Whatever this script doesn't know is an error, never a guess.
"""

import base64
import json
import logging
import pathlib
import re
import struct
import sys

from google.appengine.datastore import entity_bytes_pb2 as pb
from google.protobuf.message import DecodeError
from leveldb_export.records import RecordsReader

BLOB, TEXT, BYTESTRING = pb.Property.BLOB, pb.Property.TEXT, pb.Property.BYTESTRING
TIMESTAMP, GEOPOINT = pb.Property.GD_WHEN, pb.Property.GEORSS_POINT
MAP, EMPTY_ARRAY = pb.Property.ENTITY_PROTO, pb.Property.EMPTY_LIST


class Damaged(Exception):
    """The export can't be read whole."""


class _Strict(logging.Handler):
    """The record reader logs damage and goes on; here damage is an error."""

    def emit(self, record):
        raise Damaged(record.getMessage())


def records(file):
    """The records of one output file, each checked against its CRC."""
    log, strict = logging.getLogger(), _Strict(logging.WARNING)
    with open(file, "rb") as f:
        reader, end = RecordsReader(f, no_check_crc=False), 0
        while True:
            log.addHandler(strict)
            try:
                record = reader.read()
            except EOFError:
                f.seek(end)
                if any(f.read()):
                    raise Damaged(f"{file}: cut off in the record at offset {end}") from None
                return
            except Damaged as e:
                raise Damaged(f"{file}: {e}") from None
            finally:
                log.removeHandler(strict)
            end = f.tell()
            yield record


def entity(data):
    """A record or a map's bytes, parsed."""
    try:
        return pb.EntityProto.FromString(data)
    except DecodeError as e:
        raise Damaged(f"not an EntityProto: {e}") from None


def segments(elements):
    """A path as [[collection, {"name": ...} or {"id": ...}], ...]."""
    return [[e.type, {"id": str(e.id)} if e.HasField("id") else {"name": e.name}] for e in elements]


def path_text(key):
    """A path as text."""
    return "/".join(p for kind, i in key for p in (kind, i["name"] if "name" in i else f"__id{i['id']}__"))


def bits(number):
    """The 64 bits of a double."""
    return struct.pack(">d", number).hex()


def value(prop):
    """One property's value, tagged with its type."""
    v, meaning = prop.value, prop.meaning
    present = [f.name for f, _ in v.ListFields()]
    if len(present) > 1:
        raise Damaged(f"{prop.name}: several values at once: {present}")
    match present[0] if present else None:
        case None if not meaning:
            return {"null": None}
        case "int64Value" if meaning == TIMESTAMP:
            return {"timestamp_us": str(v.int64Value)}
        case "int64Value" if not meaning:
            return {"int": str(v.int64Value)}
        case "booleanValue" if not meaning:
            return {"bool": v.booleanValue}
        case "doubleValue" if not meaning:
            return {"double": bits(v.doubleValue)}
        case "stringValue" if meaning in (BLOB, BYTESTRING):
            return {"bytes": base64.b64encode(v.stringValue).decode()}
        case "stringValue" if meaning == MAP:
            return {"map": fields(entity(v.stringValue))}
        case "stringValue" if meaning in (0, TEXT):
            return {"string": v.stringValue.decode("utf-8")}
        case "pointvalue" if meaning == GEOPOINT:
            return {"geopoint": [bits(v.pointvalue.x), bits(v.pointvalue.y)]}
        case "referencevalue" if not meaning:
            r = v.referencevalue
            path = path_text(segments(r.pathelement))
            return {"reference": path, "app": r.app, "namespace": r.name_space, "database": r.database_id}
    raise Damaged(f"{prop.name}: no rule for meaning {meaning} with {present or 'no value'}")


def fields(holder):
    """The fields of a document or a map."""
    out = {}
    for group in (holder.property, holder.raw_property):
        seen = set(out)
        for prop in group:
            name = prop.name.decode("utf-8") if isinstance(prop.name, bytes) else prop.name
            if name in seen:
                raise Damaged(f"{name}: stands both among the indexed and the raw properties")
            if prop.meaning == EMPTY_ARRAY and not prop.value.ListFields():
                tagged, repeated = {"array": []}, False
            elif prop.multiple:
                tagged, repeated = {"array": [value(prop)]}, name in out
            else:
                tagged, repeated = value(prop), False
            if repeated and "array" in out[name]:
                out[name]["array"] += tagged["array"]
            elif name in out:
                raise Damaged(f"{name}: stands twice")
            else:
                out[name] = tagged
    return out


def documents(folder):
    """All documents of an export, in the order of its files: {"path", "key", "fields"}."""
    outputs = [f for f in pathlib.Path(folder).rglob("output-*") if re.fullmatch(r"output-\d+", f.name)]
    if not outputs:
        raise Damaged(f"{folder}: no output-N file in this folder")
    for file in sorted(outputs, key=lambda f: (f.parent, int(f.name[7:]))):
        for record in records(file):
            document = entity(record)
            key = segments(document.key.path.element)
            yield {"path": path_text(key), "key": key, "fields": fields(document)}


def main(folders):
    if not folders:
        sys.exit(__doc__)
    try:
        for folder in folders:
            for document in documents(folder):
                print(json.dumps(document, ensure_ascii=False))
    except Damaged as e:
        sys.exit(f"read_export.py: {e}")


if __name__ == "__main__":
    main(sys.argv[1:])
