"""Reproduces fixtures/canon/vectors.json from docs/encoding.md alone: encodings, digests, roots and keys."""

import json
import pathlib
import struct
import unittest
from decimal import Decimal, getcontext

from blake3 import blake3

getcontext().prec = 200
VECTORS = pathlib.Path(__file__).resolve().parents[2] / "fixtures" / "canon" / "vectors.json"


def normalised(text):
    """Unscaled integer and scale without trailing zeros."""
    sign, digits, exponent = Decimal(text).as_tuple()
    number = int("".join(map(str, digits)))
    if number == 0:
        return 0, 0
    while number % 10 == 0:
        number //= 10
        exponent += 1
    return (-number if sign else number), -exponent


def sized(tag, data):
    return bytes([tag]) + len(data).to_bytes(8, "little") + data


def encode(value):
    ((kind, v),) = value.items()
    if kind == "null":
        return b"\x00"
    if kind == "bool":
        return b"\x02" if v else b"\x01"
    if kind in ("int", "uint"):
        n = int(v)
        return b"\x03" + n.to_bytes(8, "little", signed=True) if n < 2**63 else b"\x04" + n.to_bytes(8, "little")
    if kind == "decimal":
        number, scale = normalised(v)
        return b"\x05" + scale.to_bytes(4, "little", signed=True) + number.to_bytes(32, "little", signed=True)
    if kind == "float_bits":
        return b"\x06" + bytes.fromhex(v)[::-1]
    if kind == "float32_bits":
        return b"\x07" + bytes.fromhex(v)[::-1]
    if kind == "text":
        return sized(0x08, v.encode())
    if kind == "bytes":
        return sized(0x09, bytes.fromhex(v))
    if kind == "timestamp_ns":
        return b"\x0a" + int(v).to_bytes(16, "little", signed=True)
    if kind == "local_timestamp_ns":
        return b"\x0b" + int(v).to_bytes(16, "little", signed=True)
    if kind == "date_days":
        return b"\x0c" + v.to_bytes(4, "little", signed=True)
    if kind == "time_ns":
        return b"\x0d" + int(v).to_bytes(8, "little", signed=True)
    if kind == "uuid":
        return b"\x0e" + bytes.fromhex(v)
    if kind == "json":
        return sized(0x0F, v.encode())
    if kind == "geo_bits":
        return b"\x10" + b"".join(bytes.fromhex(x)[::-1] for x in v)
    if kind == "ref":
        return sized(0x11, v.encode())
    if kind == "list":
        return b"\x12" + len(v).to_bytes(8, "little") + b"".join(map(encode, v))
    if kind == "map":
        entries = sorted(v, key=lambda entry: entry[0].encode())
        body = b"".join(sized(0x08, key.encode()) + encode(inner) for key, inner in entries)
        return b"\x13" + len(v).to_bytes(8, "little") + body
    raise ValueError(kind)


def escaped(tag, data):
    return bytes([tag]) + data.replace(b"\x00", b"\x00\xff") + b"\x00\x00"


def flipped(tag, number):
    return bytes([tag]) + (number + 2**127).to_bytes(16, "big")


def number_key(number, scale):
    value = Decimal(number).scaleb(-scale)
    floor = int(value.to_integral_value(rounding="ROUND_FLOOR"))
    if -(2**63) <= floor < 2**63:
        out = b"\x26" + (floor + 2**63).to_bytes(8, "big")
        fraction = value - floor
        if fraction == 0:
            return out + b"\x00"
        return out + b"\x01" + format(fraction, "f").split(".")[1].rstrip("0").encode() + b"\x00"
    digits = str(abs(number))
    body = (len(digits) - scale + 2**63).to_bytes(8, "big") + digits.encode() + b"\x00"
    if number < 0:
        return b"\x24" + bytes(255 - b for b in body)
    return b"\x28" + body


def of_json(text):
    """A JSON text as a value; its numbers are decimals."""

    def unique(pairs):
        if len({name for name, _ in pairs}) < len(pairs):
            raise ValueError("a key stands twice")
        return {"map": [list(pair) for pair in pairs]}

    def tagged(value):
        match value:
            case None:
                return {"null": True}
            case bool():
                return {"bool": value}
            case str():
                return {"text": value}
            case list():
                return {"list": [tagged(item) for item in value]}
            case {"map": pairs}:
                return {"map": [[name, tagged(item)] for name, item in pairs]}
            case _:
                return {"decimal": format(value, "f")}

    return tagged(json.loads(text, parse_float=Decimal, parse_int=Decimal, object_pairs_hook=unique))


def key(value):
    ((kind, v),) = value.items()
    if kind == "null":
        return b"\x00"
    if kind == "bool":
        return b"\x10" + bytes([v])
    if kind in ("int", "uint", "decimal"):
        return number_key(*normalised(v))
    if kind == "float_bits":
        (number,) = struct.unpack(">d", bytes.fromhex(v))
        return number_key(*normalised(repr(number)))
    if kind == "json":
        try:
            value = of_json(v)
            return escaped(0x32, b"null") if "null" in value else key(value)
        except ValueError:
            return escaped(0x32, v.encode())
    if kind == "geo_bits":
        return b"\x70" + b"".join(key({"float_bits": x}) for x in v)
    if kind == "list":
        return b"\x71" + b"".join(b"\x01" + key(item) for item in v) + b"\x00"
    if kind == "map":
        entries = sorted(v, key=lambda entry: entry[0].encode())
        return b"\x72" + b"".join(escaped(0x30, name.encode()) + key(item) for name, item in entries) + b"\x00"
    tags = {"text": 0x30, "ref": 0x31}
    if kind in tags:
        return escaped(tags[kind], v.encode())
    if kind == "bytes":
        return escaped(0x40, bytes.fromhex(v))
    times = {"timestamp_ns": 0x50, "local_timestamp_ns": 0x51, "date_days": 0x52, "time_ns": 0x53}
    if kind in times:
        return flipped(times[kind], int(v))
    if kind == "uuid":
        return b"\x60" + bytes.fromhex(v)
    raise ValueError(kind)


def packed(bits):
    """A bit a row, least significant first."""
    return bytes(sum(bit << i for i, bit in enumerate(bits[at : at + 8])) for at in range(0, len(bits), 8))


def slot(kind, value):
    """What stands in a column's buffer for a value."""
    ((tag, v),) = value.items()
    if kind.startswith("decimal"):
        precision, scale = map(int, kind[8:-1].split(","))
        number, own = normalised(v)
        return (number * 10 ** (scale - own)).to_bytes(16 if precision <= 38 else 32, "little", signed=True)
    if tag in ("int", "uint"):
        return (int(v) % 2**64).to_bytes(8, "little")
    if tag in ("float_bits", "float32_bits"):
        return bytes.fromhex(v)[::-1]
    if tag in ("timestamp_ns", "local_timestamp_ns"):
        return int(v).to_bytes(16, "little", signed=True)
    if tag == "date_days":
        return v.to_bytes(4, "little", signed=True)
    if tag == "time_ns":
        return int(v).to_bytes(8, "little", signed=True)
    if tag == "uuid":
        return bytes.fromhex(v)
    raise ValueError(tag)


WIDTHS = {
    "integer": 8, "unsigned integer": 8, "float32": 4, "float": 8, "timestamp": 16, "timestamp without zone": 16,
    "date": 4, "time": 8, "uuid": 16,
}


def column_tag(kind, values):
    if kind == "unsigned integer" and all("null" in v or int(v["uint"]) < 2**63 for v in values):
        return "integer"
    if kind.startswith("decimal"):
        precision, scale = map(int, kind[8:-1].split(","))
        return f"decimal{128 if precision <= 38 else 256}({scale})"
    return kind


def column_digest(kind, values):
    tag = column_tag(kind, values).encode()
    data = b"counterfoil/column/2\x00" + bytes([len(tag)]) + tag + len(values).to_bytes(8, "little")
    if kind == "null":
        return blake3(data).hexdigest()
    there = ["null" not in v for v in values]
    data += b"\x00" if all(there) else b"\x01" + packed(there)
    if kind == "boolean":
        data += packed([v.get("bool", False) for v in values])
    elif kind == "geopoint":
        for part in (0, 1):
            data += b"".join(bytes.fromhex(v["geo_bits"][part])[::-1] if "geo_bits" in v else bytes(8) for v in values)
    elif kind in ("text", "json", "reference", "bytes", "variant"):
        cells = [variable(kind, v) for v in values]
        data += b"".join(len(c).to_bytes(4, "little") for c in cells) + b"".join(cells)
    else:
        width = WIDTHS.get(kind) or (16 if column_tag(kind, values).startswith("decimal128") else 32)
        data += b"".join(slot(kind, v) if "null" not in v else bytes(width) for v in values)
    return blake3(data).hexdigest()


def variable(kind, value):
    ((tag, v),) = value.items()
    if tag == "null":
        return b""
    if kind == "variant":
        return encode(value)
    return bytes.fromhex(v) if kind == "bytes" else v.encode()


def root(children):
    data = b"counterfoil/node/1\x00" + len(children).to_bytes(8, "little")
    for name, digest in children:
        data += len(name.encode()).to_bytes(8, "little") + name.encode() + bytes.fromhex(digest)
    return blake3(data).hexdigest()


class Vectors(unittest.TestCase):
    def setUp(self):
        self.vectors = json.loads(VECTORS.read_text())

    def test_values(self):
        for vector in self.vectors["values"]:
            self.assertEqual(encode(vector["value"]).hex(), vector["encoding"], vector["value"])

    def test_keys(self):
        keys = [vector["key"] for vector in self.vectors["keys"]]
        self.assertEqual(keys, sorted(keys))
        for vector in self.vectors["keys"]:
            for value in vector["values"]:
                self.assertEqual(key(value).hex(), vector["key"], value)

    def test_columns(self):
        for vector in self.vectors["columns"]:
            self.assertEqual(column_digest(vector["type"], vector["values"]), vector["digest"], vector["values"])

    def test_roots(self):
        for vector in self.vectors["roots"]:
            self.assertEqual(root(vector["children"]), vector["root"])


if __name__ == "__main__":
    unittest.main()
