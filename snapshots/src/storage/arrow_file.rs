//! Chunks as record batches of an Arrow IPC file, uncompressed. Written by the Arrow library; read column by column,
//! since its reader takes a batch's whole body even for one column. The layout is Arrow's:
//! <https://arrow.apache.org/docs/format/Columnar.html#ipc-file-format>.

use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryViewArray, BooleanArray, FixedSizeBinaryArray, NullArray, PrimitiveArray, RecordBatch,
    RecordBatchOptions, StringViewArray, StructArray,
};
use arrow::buffer::{BooleanBuffer, Buffer, MutableBuffer, NullBuffer, ScalarBuffer};
use arrow::datatypes::{
    ArrowNativeType, ArrowPrimitiveType, DataType, Date32Type, Decimal128Type, Decimal256Type, Float32Type,
    Float64Type, Int64Type, Schema, SchemaRef, Time64NanosecondType, UInt64Type,
};
use arrow::ipc;
use arrow::ipc::convert::try_fb_to_schema;
use arrow::ipc::reader::{StreamReader, read_footer_length};
use arrow::ipc::writer::FileWriter;
use rayon::prelude::*;

use super::{Hashed, cannot_read, corrupt, failed_to_write};
use crate::SnapshotError;
use crate::sort::compact;

/// An Arrow file that is being written.
pub(crate) struct ArrowOut {
    path: PathBuf,
    writer: FileWriter<Hashed>,
}

impl ArrowOut {
    pub(super) fn create(path: &Path, schema: &SchemaRef) -> Result<Self, SnapshotError> {
        let schema = Schema::new(schema.fields().clone());
        let writer =
            FileWriter::try_new(Hashed::create(path)?, &schema).map_err(|e| failed_to_write(path, &e))?;
        Ok(Self { path: path.into(), writer })
    }

    pub(super) fn write(&mut self, chunk: &RecordBatch) -> Result<(), SnapshotError> {
        let written = compact(chunk).and_then(|chunk| self.writer.write(&chunk));
        written.map_err(|e| failed_to_write(&self.path, &e))
    }

    pub(super) fn finish(&mut self) -> Result<blake3::Hash, SnapshotError> {
        self.writer.finish().map_err(|e| failed_to_write(&self.path, &e))?;
        Ok(self.writer.get_ref().digest())
    }
}

/// The batches of a file without its end: what follows the magic bytes, filled up with zeros, is a stream.
pub(super) fn unfinished(path: &Path) -> Box<dyn Iterator<Item = RecordBatch>> {
    const MAGIC: usize = 6;
    let open = || -> Option<StreamReader<BufReader<File>>> {
        let mut file = File::open(path).ok()?;
        let mut start = [0; 128];
        file.read_exact(&mut start).ok()?;
        let message = start.iter().skip(MAGIC).position(|byte| *byte != 0)?;
        file.seek(SeekFrom::Start((MAGIC + message) as u64)).ok()?;
        StreamReader::try_new(BufReader::with_capacity(1 << 20, file), None).ok()
    };
    let mut reader = open();
    Box::new(std::iter::from_fn(move || {
        let reader = reader.as_mut()?;
        // The reader may panic on what was never written; it ends there as well.
        let next = std::panic::AssertUnwindSafe(|| reader.next());
        std::panic::catch_unwind(next).ok()??.ok()
    }))
}

/// An Arrow file of chunks.
#[derive(Debug)]
pub(crate) struct ArrowChunks {
    path: PathBuf,
    schema: SchemaRef,
    blocks: Vec<Block>,
}

/// Where a record batch lies in the file.
#[derive(Clone, Copy, Debug)]
struct Block {
    /// Of its description.
    offset: u64,
    /// How long its description is.
    description: u64,
    /// How long its body is, which follows.
    body: u64,
}

impl ArrowChunks {
    pub(super) fn open(path: &Path) -> Result<Self, SnapshotError> {
        let mut file = File::open(path).map_err(cannot_read(path))?;
        let size = file.metadata().map_err(cannot_read(path))?.len();
        Self::described(path, &mut file, size).map_err(|problem| corrupt(path, problem))
    }

    /// Reads the footer, which says where the batches lie.
    fn described(path: &Path, file: &mut File, size: u64) -> Result<Self, String> {
        const END: u64 = 10;
        let end = size.checked_sub(END).ok_or("too short for an Arrow file")?;
        let last: [u8; END as usize] =
            range(file, end, END)?.try_into().map_err(|_| "it ends before its footer")?;
        let length = read_footer_length(last).map_err(|e| e.to_string())? as u64;
        let start = end.checked_sub(length).ok_or("its footer is longer than itself")?;
        let bytes = range(file, start, length)?;
        let footer = ipc::root_as_footer(&bytes).map_err(|e| format!("its footer is damaged: {e}"))?;
        let schema =
            try_fb_to_schema(footer.schema().ok_or("it has no schema")?).map_err(|e| e.to_string())?;
        let block = |b: &ipc::Block| {
            let number = |n: i64| u64::try_from(n).map_err(|_| "a block of negative size".to_owned());
            let block = Block {
                offset: number(b.offset())?,
                description: number(b.metaDataLength().into())?,
                body: number(b.bodyLength())?,
            };
            let past = block.offset.checked_add(block.description).and_then(|o| o.checked_add(block.body));
            past.filter(|past| *past <= start).ok_or("a block lies beyond the file's end")?;
            Ok(block)
        };
        let blocks: Result<Vec<Block>, String> = footer.recordBatches().iter().flatten().map(block).collect();
        Ok(Self { path: path.into(), schema: Arc::new(schema), blocks: blocks? })
    }

    pub(super) fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    pub(super) fn len(&self) -> usize {
        self.blocks.len()
    }

    pub(super) fn read(
        &self,
        chunk: usize,
        columns: Option<&[usize]>,
        rows: impl Fn(i64) -> Result<usize, String>,
    ) -> Result<RecordBatch, String> {
        let open = || File::open(&self.path).map_err(|e| format!("{}: {e}", self.path.display()));
        let block = self.blocks.get(chunk).ok_or("it has fewer chunks than its manifest says")?;
        let description = range(&mut open()?, block.offset, block.description)?;
        // Four bytes that say that a message follows, and four with its length.
        let message = description.get(8..).ok_or("a chunk without a description")?;
        let message = ipc::root_as_message(message).map_err(|e| format!("chunk {chunk} is damaged: {e}"))?;
        let batch = message.header_as_record_batch().ok_or("a block that is no record batch")?;
        let rows = rows(batch.length())?;
        if batch.compression().is_some() {
            return Err(format!("chunk {chunk} is compressed, which no snapshot is"));
        }
        let all: Vec<usize> = (0..self.schema.fields().len()).collect();
        let columns = columns.unwrap_or(&all);
        let parts = parts(&self.schema, &batch)?;
        let wanted: Vec<(&DataType, &Part)> = columns
            .iter()
            .map(|c| Some((self.schema.fields().get(*c)?.data_type(), parts.get(*c)?)))
            .collect::<Option<_>>()
            .ok_or("no such column")?;
        let read = |(kind, part): (&DataType, &Part)| {
            let (start, end) = part.bytes;
            if end > block.body {
                return Err(format!("chunk {chunk} is longer than its block"));
            }
            let bytes = range(&mut open()?, block.offset + block.description + start, end - start)?;
            Source { bytes: aligned(bytes), part, node: 0, buffer: 0 }.column(kind, rows)
        };
        let arrays: Vec<ArrayRef> = wanted.into_par_iter().map(read).collect::<Result<_, String>>()?;
        let schema = Arc::new(self.schema.project(columns).map_err(|e| e.to_string())?);
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        RecordBatch::try_new_with_options(schema, arrays, &options).map_err(|e| e.to_string())
    }
}

/// Some bytes of a file. They are read into memory that nothing was written to before.
fn range(file: &mut File, offset: u64, length: u64) -> Result<Vec<u8>, String> {
    file.seek(SeekFrom::Start(offset)).map_err(|e| e.to_string())?;
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(length as usize).map_err(|e| e.to_string())?;
    file.take(length).read_to_end(&mut bytes).map_err(|e| e.to_string())?;
    if bytes.len() as u64 == length { Ok(bytes) } else { Err("it ends too early".into()) }
}

/// The widest values are 16 bytes wide; allocators align to that, but none has to.
fn aligned(bytes: Vec<u8>) -> Buffer {
    let buffer = Buffer::from_vec(bytes);
    if (buffer.as_ptr() as usize).is_multiple_of(align_of::<i128>()) {
        return buffer;
    }
    let mut copy = MutableBuffer::with_capacity(buffer.len());
    copy.extend_from_slice(&buffer);
    copy.into()
}

/// What a record batch says of one column: how many nulls each of its arrays has, and where its buffers lie from
/// `bytes.0` to `bytes.1` of the body.
#[derive(Debug)]
struct Part {
    nulls: Vec<u64>,
    buffers: Vec<(u64, u64)>,
    bytes: (u64, u64),
}

fn parts(schema: &SchemaRef, batch: &ipc::RecordBatch<'_>) -> Result<Vec<Part>, String> {
    let mut nodes = batch.nodes().ok_or("a chunk without columns")?.iter();
    let mut buffers = batch.buffers().into_iter().flatten();
    let mut variadic = batch.variadicBufferCounts().into_iter().flatten();
    let mut part = |kind: &DataType| -> Option<Part> {
        let fields = if let DataType::Struct(fields) = kind { fields.len() } else { 0 };
        let nulls = nodes.by_ref().take(1 + fields).map(|n| u64::try_from(n.null_count()).ok());
        let nulls: Vec<u64> = nulls.collect::<Option<_>>()?;
        let count = match kind {
            DataType::Null => 0,
            DataType::Utf8View | DataType::BinaryView => 2 + usize::try_from(variadic.next()?).ok()?,
            _ => 2,
        };
        // A struct's own buffer is its validity, each of its fields has two.
        let count = if fields > 0 { 1 + 2 * fields } else { count };
        let place =
            |b: &ipc::Buffer| Some((u64::try_from(b.offset()).ok()?, u64::try_from(b.length()).ok()?));
        let places: Vec<(u64, u64)> = buffers.by_ref().take(count).map(place).collect::<Option<_>>()?;
        let start = places.iter().map(|(offset, _)| *offset).min().unwrap_or(0);
        let ends = places.iter().map(|(offset, length)| offset.checked_add(*length));
        let end = ends.collect::<Option<Vec<u64>>>()?.into_iter().max().unwrap_or(0);
        (nulls.len() == 1 + fields && places.len() == count).then_some(Part {
            nulls,
            buffers: places,
            bytes: (start, end),
        })
    };
    let parts: Option<Vec<Part>> = schema.fields().iter().map(|f| part(f.data_type())).collect();
    parts.ok_or_else(|| "a chunk whose columns are not those of its schema".into())
}

/// The bytes of a column, from which arrays are made one after the other.
struct Source<'a> {
    bytes: Buffer,
    part: &'a Part,
    node: usize,
    buffer: usize,
}

impl Source<'_> {
    fn column(&mut self, kind: &DataType, rows: usize) -> Result<ArrayRef, String> {
        let nulls = self.part.nulls.get(self.node).copied().unwrap_or(0);
        self.node += 1;
        if *kind == DataType::Null {
            return Ok(Arc::new(NullArray::new(rows)));
        }
        let validity = self.next()?;
        let nulls = if nulls > 0 { Some(NullBuffer::new(bits(validity, rows)?)) } else { None };
        Ok(match kind {
            DataType::Boolean => Arc::new(BooleanArray::new(bits(self.next()?, rows)?, nulls)),
            DataType::Int64 => self.primitive::<Int64Type>(kind, rows, nulls)?,
            DataType::UInt64 => self.primitive::<UInt64Type>(kind, rows, nulls)?,
            DataType::Float32 => self.primitive::<Float32Type>(kind, rows, nulls)?,
            DataType::Float64 => self.primitive::<Float64Type>(kind, rows, nulls)?,
            DataType::Date32 => self.primitive::<Date32Type>(kind, rows, nulls)?,
            DataType::Time64(_) => self.primitive::<Time64NanosecondType>(kind, rows, nulls)?,
            DataType::Decimal128(..) => self.primitive::<Decimal128Type>(kind, rows, nulls)?,
            DataType::Decimal256(..) => self.primitive::<Decimal256Type>(kind, rows, nulls)?,
            DataType::FixedSizeBinary(width) => {
                let array = FixedSizeBinaryArray::try_new(*width, self.next()?, nulls);
                Arc::new(array.map_err(|e| e.to_string())?)
            }
            DataType::Utf8View => {
                let (views, rest) = self.views(rows)?;
                Arc::new(StringViewArray::try_new(views, rest, nulls).map_err(|e| e.to_string())?)
            }
            DataType::BinaryView => {
                let (views, rest) = self.views(rows)?;
                Arc::new(BinaryViewArray::try_new(views, rest, nulls).map_err(|e| e.to_string())?)
            }
            DataType::Struct(fields) => {
                let arrays: Vec<ArrayRef> =
                    fields.iter().map(|f| self.column(f.data_type(), rows)).collect::<Result<_, _>>()?;
                let array = StructArray::try_new(fields.clone(), arrays, nulls);
                Arc::new(array.map_err(|e| e.to_string())?)
            }
            other => return Err(format!("a column of {other}, which no snapshot has")),
        })
    }

    fn next(&mut self) -> Result<Buffer, String> {
        let (offset, length) = self.part.buffers.get(self.buffer).ok_or("a buffer is missing")?;
        self.buffer += 1;
        Ok(self.bytes.slice_with_length((offset - self.part.bytes.0) as usize, *length as usize))
    }

    fn views(&mut self, rows: usize) -> Result<(ScalarBuffer<u128>, Vec<Buffer>), String> {
        let views = numbers(self.next()?, rows)?;
        let count = self.part.buffers.len() - self.buffer;
        let rest: Vec<Buffer> = (0..count).map(|_| self.next()).collect::<Result<_, _>>()?;
        Ok((views, rest))
    }

    fn primitive<T: ArrowPrimitiveType>(
        &mut self,
        kind: &DataType,
        rows: usize,
        nulls: Option<NullBuffer>,
    ) -> Result<ArrayRef, String> {
        let array = PrimitiveArray::<T>::try_new(numbers(self.next()?, rows)?, nulls);
        Ok(Arc::new(array.map_err(|e| e.to_string())?.with_data_type(kind.clone())))
    }
}

fn bits(buffer: Buffer, rows: usize) -> Result<BooleanBuffer, String> {
    if buffer.len() < rows.div_ceil(8) {
        return Err("a buffer is too short for its rows".into());
    }
    Ok(BooleanBuffer::new(buffer, 0, rows))
}

fn numbers<N: ArrowNativeType>(buffer: Buffer, rows: usize) -> Result<ScalarBuffer<N>, String> {
    let enough = rows.checked_mul(size_of::<N>()).is_some_and(|bytes| bytes <= buffer.len());
    if !enough || !(buffer.as_ptr() as usize).is_multiple_of(align_of::<N>()) {
        return Err("a buffer is too short or lies askew".into());
    }
    Ok(ScalarBuffer::new(buffer, 0, rows))
}
