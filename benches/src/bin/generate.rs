//! Writes a table as a Parquet file: `generate plain 10000000 a.parquet --change few --shuffled`.

use std::error::Error;
use std::fs::File;
use std::path::PathBuf;

use clap::{Parser, ValueEnum};
use counterfoil_benches::{Change, Kind, Spec};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;
use rayon::prelude::*;

#[derive(Parser)]
struct Arguments {
    kind: KindName,
    rows: u64,
    file: PathBuf,
    #[arg(long, default_value = "none")]
    change: ChangeName,
    #[arg(long)]
    shuffled: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum KindName {
    Plain,
    Wide,
    Text,
    Documents,
    Decimals,
}

#[derive(Clone, Copy, ValueEnum)]
enum ChangeName {
    None,
    Few,
    Late,
    Half,
}

/// Rows of a row group, as many as DuckDB writes.
const GROUP: usize = 122_880;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::parse();
    let kind = match arguments.kind {
        KindName::Plain => Kind::Plain,
        KindName::Wide => Kind::Wide,
        KindName::Text => Kind::Text,
        KindName::Documents => Kind::Documents,
        KindName::Decimals => Kind::Decimals,
    };
    let change = match arguments.change {
        ChangeName::None => Change::None,
        ChangeName::Few => Change::Few,
        ChangeName::Late => Change::Late,
        ChangeName::Half => Change::Half,
    };
    let spec = Spec { kind, rows: arguments.rows, change, shuffled: arguments.shuffled };
    let properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(3)?))
        .set_max_row_group_row_count(Some(GROUP))
        .build();
    let mut writer = ArrowWriter::try_new(File::create(&arguments.file)?, spec.schema()?, Some(properties))?;
    let numbers: Vec<u64> = (0..spec.batches()).collect();
    for some in numbers.chunks(8) {
        let batches: Vec<_> = some.par_iter().map(|number| spec.batch(*number)).collect::<Result<_, _>>()?;
        batches.iter().try_for_each(|batch| writer.write(batch))?;
    }
    writer.close()?;
    Ok(())
}
