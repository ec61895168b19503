//! Parquet read back by the crate's reader.

use crate::book::{NASTY, day};
use chrono::{DateTime, Datelike};
use exports::{About, Cell, Column, Kind, ParquetTable, ROW_GROUP_ROWS_MAX, TableWriter, UNITS_MAX};
use parquet::basic::LogicalType;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::Field;

fn columns() -> Vec<Column> {
    vec![
        Column::new("entry", Kind::Id),
        Column::new("words", Kind::Text),
        Column::totalled("debit", Kind::Money { scale: 8 }),
        Column::new("count", Kind::Count),
        Column::new("day", Kind::Day),
        Column::new("at", Kind::Instant),
    ]
}

fn units(field: &Field) -> i128 {
    let Field::Decimal(decimal) = field else { panic!("{field:?} is no decimal") };
    assert_eq!((decimal.precision(), decimal.scale()), (38, 8));
    let bytes: [u8; 16] = decimal.data().try_into().expect("16 bytes");
    i128::from_be_bytes(bytes)
}

#[test]
fn what_was_written_is_read_to_the_last_digit() {
    let at = DateTime::from_timestamp_micros(1_795_000_000_123_456).expect("an instant");
    let amounts = [0, 1, -1, UNITS_MAX, -UNITS_MAX, i128::from(i64::MAX) + 1, 150_000_000, -5];
    let about = About { run_id: "run-7".to_owned(), ..About::default() };
    let mut table = ParquetTable::try_new(Vec::new(), &about, &columns()).expect("columns");
    for (number, (text, amount)) in (1..).zip(NASTY.iter().zip(amounts)) {
        let row = [
            Cell::Id("007"),
            Cell::Text(text),
            Cell::Money(amount),
            Cell::Count(number),
            Cell::Day(day(3)),
            Cell::Instant(at),
        ];
        table.push(&row).expect("a row");
    }
    table.push(&[Cell::Empty; 6]).expect("an empty row");
    let (bytes, written) = table.finish().expect("a file");
    assert_eq!((written.rows, written.totals[2]), (9, Some(amounts.iter().sum())));
    let reader = SerializedFileReader::new(bytes::Bytes::from(bytes)).expect("a Parquet file");
    let metadata = reader.metadata().file_metadata();
    let run_id = metadata.key_value_metadata().expect("metadata").iter().find(|pair| pair.key == "run id");
    assert_eq!(run_id.and_then(|pair| pair.value.as_deref()), Some("run-7"));
    assert_eq!(metadata.schema_descr().column(2).logical_type_ref(), Some(&LogicalType::decimal(8, 38)));
    let rows: Vec<Vec<Field>> = reader
        .get_row_iter(None)
        .expect("rows")
        .map(|row| row.expect("a row").get_column_iter().map(|(_, field)| field.clone()).collect())
        .collect();
    assert_eq!(rows.len(), 9);
    for (number, (row, (text, amount))) in (1..).zip(rows.iter().zip(NASTY.iter().zip(amounts))) {
        assert_eq!(row[0], Field::Str("007".to_owned()));
        assert_eq!(row[1], Field::Str((*text).to_owned()));
        assert_eq!(units(&row[2]), amount);
        assert_eq!(row[3], Field::Long(number));
        assert_eq!(row[4], Field::Date(day(3).num_days_from_ce() - 719_163));
        assert_eq!(row[5], Field::TimestampMicros(at.timestamp_micros()));
    }
    assert!(rows[8].iter().all(|field| *field == Field::Null), "{:?}", rows[8]);
}

#[test]
fn row_groups_are_bounded_by_rows_and_by_bytes() {
    let columns = [Column::new("words", Kind::Text), Column::new("count", Kind::Count)];
    let groups = |text: &str, rows: usize| {
        let mut table = ParquetTable::try_new(Vec::new(), &About::default(), &columns).expect("columns");
        for number in 0..rows {
            let count = Cell::Count(i64::try_from(number).expect("small"));
            table.push(&[Cell::Text(text), count]).expect("a row");
        }
        let bytes = table.finish().expect("a file").0;
        let reader = SerializedFileReader::new(bytes::Bytes::from(bytes)).expect("a Parquet file");
        reader.metadata().row_groups().iter().map(|group| group.num_rows()).collect::<Vec<_>>()
    };
    let rows_max = i64::try_from(ROW_GROUP_ROWS_MAX).expect("small");
    assert_eq!(groups("x", 2 * ROW_GROUP_ROWS_MAX + 1), [rows_max, rows_max, 1]);
    let by_bytes = groups(&"x".repeat(30_000), 1_200);
    assert!(by_bytes.len() >= 2 && by_bytes.iter().sum::<i64>() == 1_200, "{by_bytes:?}");
}
