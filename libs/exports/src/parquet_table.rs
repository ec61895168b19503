//! Tables as Parquet: typed columns, exact decimals, row groups of bounded size, no Arrow.

use crate::table::Tally;
use crate::{About, Cell, Column, ExportError, Kind, TableWriter, Written};
use bytes::Bytes;
use chrono::{Datelike, NaiveDate};
use parquet::basic::{Compression, LogicalType, Repetition, TimeUnit, Type as Physical};
use parquet::data_type::{
    ByteArray, ByteArrayType, FixedLenByteArray, FixedLenByteArrayType, Int32Type, Int64Type,
};
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::Type;
use std::io::Write;
use std::sync::Arc;

/// The rows that are gathered before they are written as one row group.
pub const ROW_GROUP_ROWS_MAX: usize = 65_536;
/// The bytes of gathered texts and amounts after which a row group is written, however few rows it has.
pub const ROW_GROUP_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Bytes and digits of an amount: what a signed 128-bit integer has.
const MONEY_BYTES: i32 = 16;
const MONEY_DIGITS: i32 = 38;
/// 1970-01-01, counted from the first day of year 1.
const EPOCH_DAY_FROM_CE: i32 = 719_163;

/// A table written as Parquet. Every column may be empty. Texts, ids and links are strings; amounts are
/// `DECIMAL(38, scale)` in 16 bytes, exact whatever their size; counts are 64-bit integers, days are dates, instants
/// are UTC microseconds.
pub struct ParquetTable<W: Write + Send> {
    file: SerializedFileWriter<W>,
    tally: Tally,
    gathered: Vec<Gathered>,
    rows: usize,
    bytes: usize,
}

impl<W: Write + Send> std::fmt::Debug for ParquetTable<W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ParquetTable")
            .field("tally", &self.tally)
            .field("rows", &self.rows)
            .finish_non_exhaustive()
    }
}

/// The cells of one column in the row group that is being gathered.
struct Gathered {
    cells: Values,
    /// One per row: 1 for a cell, 0 for an empty one.
    levels: Vec<i16>,
}

enum Values {
    Strings(Vec<ByteArray>),
    Amounts(Vec<FixedLenByteArray>),
    Longs(Vec<i64>),
    Days(Vec<i32>),
}

impl<W: Write + Send> ParquetTable<W> {
    /// Begins a file.
    ///
    /// # Errors
    /// [`ExportError::BadColumns`], [`ExportError::ScaleTooLarge`], or writing fails.
    pub fn try_new(sink: W, about: &About, columns: &[Column]) -> Result<ParquetTable<W>, ExportError> {
        let tally = Tally::try_new(columns)?;
        let fields = columns.iter().map(field).collect::<Result<Vec<_>, _>>()?;
        let schema = Type::group_type_builder("table").with_fields(fields).build()?;
        let pair = |(name, value): (&str, &str)| KeyValue::new(name.to_owned(), value.to_owned());
        let properties = WriterProperties::builder()
            .set_created_by("largesse exports".to_owned())
            .set_compression(Compression::SNAPPY)
            .set_statistics_enabled(EnabledStatistics::Chunk)
            .set_key_value_metadata(Some(about.lines().map(pair).collect()))
            .build();
        let file = SerializedFileWriter::new(sink, Arc::new(schema), Arc::new(properties))?;
        let gathered = columns.iter().map(Gathered::of).collect();
        Ok(ParquetTable { file, tally, gathered, rows: 0, bytes: 0 })
    }

    /// Writes what is gathered, ends the file and gives the sink back.
    ///
    /// # Errors
    /// Writing fails.
    pub fn finish(mut self) -> Result<(W, Written), ExportError> {
        self.write_row_group()?;
        Ok((self.file.into_inner()?, self.tally.written))
    }

    fn write_row_group(&mut self) -> Result<(), ExportError> {
        if self.rows == 0 {
            return Ok(());
        }
        let mut group = self.file.next_row_group()?;
        for column in &mut self.gathered {
            let missing = || ParquetError::General("the schema has fewer columns than the table".to_owned());
            let mut writer = group.next_column()?.ok_or_else(missing)?;
            let levels = Some(column.levels.as_slice());
            match &column.cells {
                Values::Strings(cells) => writer.typed::<ByteArrayType>().write_batch(cells, levels, None)?,
                Values::Amounts(cells) => {
                    writer.typed::<FixedLenByteArrayType>().write_batch(cells, levels, None)?
                }
                Values::Longs(cells) => writer.typed::<Int64Type>().write_batch(cells, levels, None)?,
                Values::Days(cells) => writer.typed::<Int32Type>().write_batch(cells, levels, None)?,
            };
            writer.close()?;
            column.clear();
        }
        group.close()?;
        (self.rows, self.bytes) = (0, 0);
        Ok(())
    }
}

impl<W: Write + Send> TableWriter for ParquetTable<W> {
    fn push(&mut self, row: &[Cell<'_>]) -> Result<(), ExportError> {
        self.tally.take(row)?;
        for (column, cell) in self.gathered.iter_mut().zip(row) {
            self.bytes += column.gather(cell);
        }
        self.rows += 1;
        if self.rows >= ROW_GROUP_ROWS_MAX || self.bytes >= ROW_GROUP_BYTES_MAX {
            self.write_row_group()?;
        }
        Ok(())
    }
}

impl Gathered {
    fn of(column: &Column) -> Gathered {
        let cells = match column.kind() {
            Kind::Text | Kind::Id | Kind::Link => Values::Strings(Vec::new()),
            Kind::Money { .. } => Values::Amounts(Vec::new()),
            Kind::Count | Kind::Instant => Values::Longs(Vec::new()),
            Kind::Day => Values::Days(Vec::new()),
        };
        Gathered { cells, levels: Vec::new() }
    }

    /// Keeps one cell; says about how many bytes it takes. The tally has refused cells of another kind.
    fn gather(&mut self, cell: &Cell<'_>) -> usize {
        let bytes = match (&mut self.cells, cell) {
            (Values::Strings(cells), Cell::Text(text) | Cell::Id(text) | Cell::Link(text)) => {
                cells.push(ByteArray::from(Bytes::copy_from_slice(text.as_bytes())));
                text.len()
            }
            (Values::Amounts(cells), Cell::Money(units)) => {
                let bytes = Bytes::copy_from_slice(&units.to_be_bytes());
                cells.push(FixedLenByteArray::from(ByteArray::from(bytes)));
                16
            }
            (Values::Longs(cells), Cell::Count(count)) => {
                cells.push(*count);
                8
            }
            (Values::Longs(cells), Cell::Instant(at)) => {
                cells.push(at.timestamp_micros());
                8
            }
            (Values::Days(cells), Cell::Day(day)) => {
                cells.push(epoch_day(*day));
                4
            }
            _ => {
                self.levels.push(0);
                return 2;
            }
        };
        self.levels.push(1);
        bytes + 2
    }

    fn clear(&mut self) {
        self.levels.clear();
        match &mut self.cells {
            Values::Strings(cells) => cells.clear(),
            Values::Amounts(cells) => cells.clear(),
            Values::Longs(cells) => cells.clear(),
            Values::Days(cells) => cells.clear(),
        }
    }
}

/// Days since 1970, in the format's own width, which holds every day that chrono has.
fn epoch_day(day: NaiveDate) -> i32 {
    day.num_days_from_ce() - EPOCH_DAY_FROM_CE
}

fn field(column: &Column) -> Result<Arc<Type>, ParquetError> {
    let (physical, logical) = match column.kind() {
        Kind::Text | Kind::Id | Kind::Link => (Physical::BYTE_ARRAY, LogicalType::String),
        Kind::Money { scale } => {
            let logical = LogicalType::decimal(i32::from(scale), MONEY_DIGITS);
            (Physical::FIXED_LEN_BYTE_ARRAY, logical)
        }
        Kind::Count => (Physical::INT64, LogicalType::integer(64, true)),
        Kind::Day => (Physical::INT32, LogicalType::Date),
        Kind::Instant => (Physical::INT64, LogicalType::timestamp(true, TimeUnit::MICROS)),
    };
    let builder = Type::primitive_type_builder(column.name(), physical)
        .with_repetition(Repetition::OPTIONAL)
        .with_logical_type(Some(logical));
    let builder = match column.kind() {
        Kind::Money { scale } => {
            builder.with_length(MONEY_BYTES).with_precision(MONEY_DIGITS).with_scale(i32::from(scale))
        }
        _ => builder,
    };
    Ok(Arc::new(builder.build()?))
}
