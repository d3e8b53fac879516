//! As much of the protocol buffer wire format as exports use, groups included
//! (<https://protobuf.dev/programming-guides/encoding>).

/// One field of a message.
#[derive(Clone, Copy, Debug)]
pub(super) enum Field<'a> {
    Varint(u64),
    Fixed64(u64),
    /// A length-delimited value, or what stands between a group's start and end.
    Bytes(&'a [u8]),
    Fixed32,
}

/// Reads the fields of a message in order.
pub(super) struct Fields<'a> {
    bytes: &'a [u8],
    at: usize,
}

/// How deep groups may nest.
const MAX_DEPTH: usize = 64;

impl<'a> Fields<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// The next field number and value; `None` at the end.
    pub(super) fn next(&mut self) -> Result<Option<(u64, Field<'a>)>, &'static str> {
        if self.at >= self.bytes.len() {
            return Ok(None);
        }
        let tag = self.varint()?;
        let (number, wire) = (tag >> 3, tag & 7);
        let field = match wire {
            0 => Field::Varint(self.varint()?),
            1 => Field::Fixed64(u64::from_le_bytes(self.take(8)?.try_into().map_err(|_| "a short number")?)),
            2 => {
                let length = usize::try_from(self.varint()?).map_err(|_| "an impossible length")?;
                Field::Bytes(self.take(length)?)
            }
            3 => {
                let start = self.at;
                let end = self.skip_group(number, 0)?;
                Field::Bytes(self.bytes.get(start..end).ok_or("a group without end")?)
            }
            5 => {
                self.take(4)?;
                Field::Fixed32
            }
            _ => return Err("an unknown wire type"),
        };
        Ok(Some((number, field)))
    }

    /// Moves behind a group's end, and tells where its content ends.
    fn skip_group(&mut self, number: u64, depth: usize) -> Result<usize, &'static str> {
        if depth > MAX_DEPTH {
            return Err("groups nested too deep");
        }
        loop {
            let before = self.at;
            if before >= self.bytes.len() {
                return Err("a group without end");
            }
            let tag = self.varint()?;
            match tag & 7 {
                0 => drop(self.varint()?),
                1 => drop(self.take(8)?),
                2 => {
                    let length = usize::try_from(self.varint()?).map_err(|_| "an impossible length")?;
                    self.take(length)?;
                }
                3 => drop(self.skip_group(tag >> 3, depth + 1)?),
                4 if tag >> 3 == number => return Ok(before),
                5 => drop(self.take(4)?),
                _ => return Err("a group that ends wrongly"),
            }
        }
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], &'static str> {
        let end = self.at.checked_add(count).ok_or("an impossible length")?;
        let part = self.bytes.get(self.at..end).ok_or("a message that ends early")?;
        self.at = end;
        Ok(part)
    }

    fn varint(&mut self) -> Result<u64, &'static str> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = *self.bytes.get(self.at).ok_or("a message that ends early")?;
            self.at += 1;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err("a number that never ends")
    }
}
