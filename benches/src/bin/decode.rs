//! Decodes Parquet files and throws the rows away: the least that comparing them can take. `decode a.parquet b.parquet`

use std::error::Error;
use std::fs::File;

use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder,
};
use rayon::prelude::*;

type Failed = Box<dyn Error + Send + Sync>;

fn main() -> Result<(), Failed> {
    let mut work = Vec::new();
    for path in std::env::args().skip(1) {
        let metadata = ArrowReaderMetadata::load(&File::open(&path)?, ArrowReaderOptions::new())?;
        let groups = metadata.metadata().num_row_groups();
        work.extend((0..groups).map(|group| (path.clone(), metadata.clone(), group)));
    }
    let decode = |(path, metadata, group): &(String, ArrowReaderMetadata, usize)| -> Result<(), Failed> {
        let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(File::open(path)?, metadata.clone());
        for batch in builder.with_row_groups(vec![*group]).with_batch_size(65_536).build()? {
            std::hint::black_box(batch?);
        }
        Ok(())
    };
    work.par_iter().try_for_each(decode)
}
