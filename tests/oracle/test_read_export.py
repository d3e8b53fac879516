"""Tests of the oracle itself: every value type, nested, and damage that must not pass."""

import pathlib
import struct
import tempfile
import unittest

from google.appengine.datastore import entity_bytes_pb2 as pb
import google_crc32c
from read_export import Damaged, documents


def prop(group, name, meaning=0, multiple=False, **value):
    """Adds a property with one plain value."""
    p = group.add(name=name, multiple=multiple)
    if meaning:
        p.meaning = meaning
    p.value.SetInParent()
    for k, v in value.items():
        setattr(p.value, k, v)
    return p.value


def everything():
    """The fields of one entity that holds every type once, and what must be read from them."""
    e = pb.EntityProto()
    e.key.app = ""
    e.key.path.SetInParent()
    e.entity_group.SetInParent()
    raw = e.raw_property
    prop(raw, "null")
    prop(raw, "no", booleanValue=False)
    prop(raw, "int", int64Value=-(2**63))
    prop(raw, "double", doubleValue=-0.0)
    prop(raw, "empty", stringValue=b"")
    prop(raw, "text", 15, stringValue="é".encode())
    prop(raw, "blob", 14, stringValue=b"\x00\xff")
    prop(raw, "time", 7, int64Value=-1)
    point = prop(raw, "point", 9).pointvalue
    point.x, point.y = 37.5, -0.5
    ref = prop(raw, "ref").referencevalue
    ref.app = "dev~x"
    ref.pathelement.add(type="a", name="b")
    ref.pathelement.add(type="c", id=7)
    prop(raw, "mixed", multiple=True, int64Value=1)
    prop(raw, "mixed", multiple=True)
    prop(raw, "mixed", multiple=True, stringValue=b"")
    prop(raw, "single", multiple=True, booleanValue=True)
    prop(e.property, "none", 24)
    return e, {
        "null": {"null": None},
        "no": {"bool": False},
        "int": {"int": "-9223372036854775808"},
        "double": {"double": "8000000000000000"},
        "empty": {"string": ""},
        "text": {"string": "é"},
        "blob": {"bytes": "AP8="},
        "time": {"timestamp_us": "-1"},
        "point": {"geopoint": ["4042c00000000000", "bfe0000000000000"]},
        "ref": {"reference": "a/b/c/__id7__", "app": "dev~x", "namespace": "", "database": ""},
        "mixed": {"array": [{"int": "1"}, {"null": None}, {"string": ""}]},
        "single": {"array": [{"bool": True}]},
        "none": {"array": []},
    }


def framed(record):
    """One whole log record."""
    crc = google_crc32c.value(b"\x01" + record)
    masked = (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF
    return struct.pack("<IHB", masked, len(record), 1) + record


class ReadExport(unittest.TestCase):
    def setUp(self):
        inner, expected = everything()
        outer, _ = everything()
        prop(outer.raw_property, "map", 19, stringValue=inner.SerializeToString())
        prop(outer.raw_property, "maps", 19, multiple=True, stringValue=inner.SerializeToString())
        outer.key.path.element.add(type="docs", id=5)
        self.expected = expected | {"map": {"map": expected}, "maps": {"array": [{"map": expected}]}}
        self.file = framed(outer.SerializeToString())

    def read(self, data):
        with tempfile.TemporaryDirectory() as d:
            pathlib.Path(d, "output-0").write_bytes(data)
            return list(documents(d))

    def test_every_type_at_the_top_in_a_map_and_in_an_array_of_maps(self):
        one, two = self.read(self.file * 2 + bytes(40))
        self.assertEqual(one, two)
        self.assertEqual((one["path"], one["key"]), ("docs/__id5__", [["docs", {"id": "5"}]]))
        self.assertEqual(one["fields"], self.expected)

    def test_a_flipped_bit_is_an_error(self):
        for at in (0, 7, 100, len(self.file) - 1):
            data = bytearray(self.file + self.file)
            data[at] ^= 1
            with self.assertRaisesRegex(Damaged, "output-0"):
                self.read(bytes(data))

    def test_a_cut_is_an_error(self):
        for cut in (3, 8, len(self.file) - 1):
            with self.assertRaisesRegex(Damaged, f"cut off in the record at offset {len(self.file)}"):
                self.read(self.file + self.file[:cut])

    def test_an_unknown_meaning_is_an_error(self):
        e, _ = everything()
        prop(e.raw_property, "x", 17, stringValue=b"k")
        with self.assertRaisesRegex(Damaged, "x: no rule for meaning 17"):
            self.read(framed(e.SerializeToString()))

    def test_a_folder_without_outputs_is_an_error(self):
        with tempfile.TemporaryDirectory() as d, self.assertRaisesRegex(Damaged, "no output-N file"):
            list(documents(d))


if __name__ == "__main__":
    unittest.main()
